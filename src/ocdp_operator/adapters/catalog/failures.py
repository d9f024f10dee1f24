"""What PostgreSQL's refusals mean to us: errors of ours, free of the DSN, that name the remedy."""

from __future__ import annotations

from typing import Final

import psycopg

from ocdp_operator.errors import CATALOG, OcdpError, Reason, Waiting
from ocdp_operator.model.publication import PublicationError

MIGRATE: Final = (
    "Run `ocdp catalog migrate` on the catalog's database, with the version of ocdp that runs here."
)
_GRANT: Final = "Run `ocdp catalog grant --role NAME` with the role that the operator connects as."
_NOT_MIGRATED: Final = frozenset({"3F000", "42P01", "42703", "42704", "42883"})
"""No such schema, table, column, type or function."""
_NO_PRIVILEGE: Final = "42501"
_READ_ONLY: Final = "25006"
_RESTRICTED: Final = "23001"
"""Our own triggers' refusals."""
_CANCELED: Final = "57014"
_AWAY: Final = ("08", "57P", "53")
"""Classes of a connection lost, a server that stops or starts, or lacks resources."""


def unavailable(error: Exception) -> Waiting:
    """For a reader: every failure is a catalog that is away, never "no rows". The same failure, the same words.

    Where something in one claim's question cannot be asked, that claim alone waits: there is no dependency, which all would
    wait for.
    """
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if isinstance(error, psycopg.DataError):
        return Waiting(
            Reason.CATALOG_UNAVAILABLE,
            "Something that the claim holds cannot be asked of the catalog.",
            remedy="Make the claim anew.",
        )
    if state in _NOT_MIGRATED:
        return not_migrated(None)
    if state == _NO_PRIVILEGE:
        return _waiting("The operator's role may not read the catalog.", _GRANT)
    if state == _CANCELED:
        return _waiting("The catalog's PostgreSQL takes too long to answer.")
    if state is None or state.startswith(_AWAY):
        return _waiting("The catalog's PostgreSQL does not answer.")
    return _waiting(f"The catalog's PostgreSQL refuses to be read (SQLSTATE {state}).")


def not_migrated(version: str | None) -> Waiting:
    """The database is there, the catalog in it is not, or is too old."""
    found = (
        f"is at version {version}, which is too old"
        if version
        else "is not there: the database is not migrated"
    )
    return _waiting(f"The catalog {found}.", MIGRATE)


def unreadable(template_id: str, revision: int) -> Waiting:
    """One revision was written by a version of ocdp that this one does not understand; only its claims wait."""
    return Waiting(
        Reason.CATALOG_UNAVAILABLE,
        f"Revision {revision} of template {template_id} cannot be read by this version of the operator.",
        remedy="Upgrade the operator, or publish the template again with its version of ocdp.",
    )


def refused(error: psycopg.Error) -> OcdpError:
    """For a writer: a refusal is a PublicationError, a lost or failed connection is Waiting."""
    state = error.sqlstate
    if state in _NOT_MIGRATED:
        return PublicationError("The database holds no catalog that this ocdp knows.", remedy=MIGRATE)
    if state in {_NO_PRIVILEGE, _READ_ONLY}:
        return PublicationError(
            "This database role may not write the catalog.",
            remedy="Connect as the role that owns the catalog: the one that migrated it first, with CREATE on the database.",
        )
    if state == _RESTRICTED:
        return PublicationError(f"The catalog refuses this: {error.diag.message_primary}.")
    if state is None or state.startswith(_AWAY) or state == _CANCELED:
        reason = f": {error}" if state is None and isinstance(error, psycopg.OperationalError) else ""
        return _waiting(f"The catalog's PostgreSQL does not answer{reason}.", "Check the DSN and the server.")
    return PublicationError(f"PostgreSQL refuses this: {error.diag.message_primary} (SQLSTATE {state}).")


def _waiting(message: str, remedy: str = "") -> Waiting:
    return Waiting(Reason.CATALOG_UNAVAILABLE, message, dependency=CATALOG, remedy=remedy)
