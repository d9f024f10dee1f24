"""How the catalog is connected to: the DSN's own words, our limits, and no word of the DSN in any error."""

from __future__ import annotations

from traceback import clear_frames
from typing import Any, Final, Self

import orjson
import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_dumps, set_json_loads

from ocdp_operator.errors import SettingsError

CONNECT_SECONDS: Final = 5
_LIMITS: Final[dict[str, str | int]] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_READING: Final = {
    "statement_timeout": "5000",
    "lock_timeout": "2000",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
}
_WRITING: Final = {"statement_timeout": "60000", "lock_timeout": "30000"}

_WHY: Final = (
    ("authentication failed", "the password or the user was rejected"),
    ("no password supplied", "a password is needed"),
    ("no pg_hba.conf entry", "the server's pg_hba.conf does not allow this user from here"),
    ("does not exist", "the database or the user does not exist"),
    ("refused", "the connection was refused: nothing listens there"),
    ("resolve", "the host name is not known"),
    ("translate host", "the host name is not known"),
    ("timeout", "nothing answered in time"),
    ("timed out", "nothing answered in time"),
    ("too many", "the server has too many connections"),
    ("starting up", "the server is starting up"),
    ("shutting down", "the server is shutting down"),
    ("certificate", "the TLS certificates do not fit"),
    ("SSL", "client and server do not agree on TLS"),
)
"""What libpq says, in words that repeat nothing of the DSN: a password with an @ ends up as part of a host name."""


def parse(dsn: str) -> dict[str, Any]:
    """The DSN's parameters over our limits. Raises SettingsError, without the DSN, when it is none."""
    try:
        return {**_LIMITS, "application_name": "ocdp", **conninfo_to_dict(dsn)}
    except psycopg.ProgrammingError:
        raise SettingsError(
            "The catalog's DSN cannot be read. It is a libpq connection string, such as "
            "postgresql://user@host:5432/database or 'host=... dbname=... user=...'."
        ) from None


def reading(dsn: str) -> dict[str, Any]:
    """Connection parameters under which every statement is its own REPEATABLE READ, READ ONLY transaction."""
    return _with_options(parse(dsn), _READING) | {"autocommit": True}


def writing(dsn: str) -> dict[str, Any]:
    """Connection parameters of a person at a terminal."""
    return _with_options(parse(dsn), _WRITING)


def _with_options(parameters: dict[str, Any], settings: dict[str, str]) -> dict[str, Any]:
    ours = " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items())
    return {**parameters, "options": f"{parameters.get('options') or ''} {ours}".strip()}


class CatalogConnection(AsyncConnection[Any]):
    """A connection whose failure to connect says why and nothing of the DSN, in the pool's log too."""

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Like psycopg's."""
        try:
            connection = await super().connect(conninfo, **kwargs)
        except psycopg.OperationalError as error:
            # psycopg's error and its frames refer to each other, and hold the socket of an attempt that nobody answered
            # until garbage is collected, which is seldom here: an outage of hours would take every descriptor.
            clear_frames(error.__traceback__)
            raise psycopg.OperationalError(why(error)) from None
        _read_json_fast(connection)
        return connection


def connect(dsn: str) -> Connection[Any]:
    """A synchronous connection, for migrations. Raises OperationalError with a reason and nothing of the DSN."""
    try:
        return psycopg.connect("", **writing(dsn))
    except psycopg.OperationalError as error:
        raise psycopg.OperationalError(why(error)) from None


def why(error: psycopg.OperationalError) -> str:
    """Why a connection failed, in a few words of ours."""
    text = str(error)
    return next((words for sign, words in _WHY if sign in text), "the connection failed")


def _read_json_fast(connection: AsyncConnection[Any]) -> None:
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)
