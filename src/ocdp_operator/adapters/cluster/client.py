"""Requests to the API server: raw bytes over one session, with timeouts, and with patience where that is safe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final, Self

import aiohttp
import orjson
import structlog
from yarl import URL

from ocdp_operator import __version__
from ocdp_operator.adapters.cluster.connection import Login
from ocdp_operator.adapters.cluster.depth import parse
from ocdp_operator.adapters.cluster.paths import JSON, resource_of, verb_of
from ocdp_operator.errors import Reason, SettingsError, Waiting
from ocdp_operator.model.names import FIELD_MANAGER

_log = structlog.get_logger(__name__)

_CONNECT_SECONDS: Final = 5.0
_REQUEST_SECONDS: Final = 30.0
_MOST_CONNECTIONS: Final = 256
_TOO_MANY: Final = 429
_UNAUTHORIZED: Final = 401
_MOST_TRIES: Final = 3
_LONGEST_PAUSE: Final = 5.0
"""Seconds that one ``Retry-After`` may hold up a request; who is to wait longer comes back with another one."""
_LONGEST_WAIT: Final = 300.0
"""Seconds of a ``Retry-After`` that are believed."""
_RENEWAL_SECONDS: Final = 2.0
"""Between two looks at a login that is not accepted: it may take a plugin's process to read it."""
_READ_ONLY: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said to one request."""

    status: int
    content: bytes = field(repr=False)
    authentic: bool = True
    """The API server itself spoke, not something between it and us."""
    retry_after: float = 0.0
    """Seconds for which it wants to be left alone, with an answer that is a refusal."""

    @property
    def ok(self) -> bool:
        """The request was done."""
        return self.status < 400

    @property
    def is_absent(self) -> bool:
        """What was asked for does not exist. A 404 of a proxy on the way is no such answer."""
        return self.status == 404 and self.authentic

    def json(self) -> Mapping[str, Any]:
        """The body; empty when it is not a JSON object."""
        try:
            parsed = parse(self.content)
        except orjson.JSONDecodeError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


class KubeClient:
    """One session with one API server. Use it as a context manager.

    Every method raises Waiting(ClusterUnavailable) when there is no answer, or none but "later" and "broken".
    """

    def __init__(
        self,
        login: Login,
        *,
        request_seconds: float = _REQUEST_SECONDS,
        wrote: Callable[[str, str], None] = lambda verb, resource: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        """``wrote(verb, resource)`` is told of each mutating request before it is sent."""
        self._login = login
        self._timeout = aiohttp.ClientTimeout(total=request_seconds, sock_connect=_CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None
        self._renewing = asyncio.Lock()
        self._renewed_at = float("-inf")
        self._wrote = wrote
        self.writes = 0
        """Mutating requests that were sent, repeated ones too."""
        self.may_write: Callable[[], bool] = lambda: True
        """Asked before each mutating request: whether this process is still the one that works."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, kubeconfig: Path | None = None, context: str | None = None, **options: Any
    ) -> AsyncIterator[Self]:
        """A client for the cluster of this kubeconfig, or for the one whose pod this is. Raises SettingsError."""
        async with cls(Login(kubeconfig, context), **options) as client:
            yield client

    async def __aenter__(self) -> Self:
        await self._login.load()
        self._session = _new_session()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def connection_info(self) -> dict[str, Any]:
        """The login as keyword arguments of an event source, with the token of this moment."""
        return self._login.connection_info()

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
        repeatable: bool = True,
    ) -> Answer:
        """One request and its answer, whatever that is.

        A connection that broke before the answer came is tried once more when doing the request twice is harmless
        (``repeatable``); a short ``Retry-After`` of a 429 is waited for, a longer one is the caller's to obey; a 401 makes us
        read our login anew, once.
        """
        headers = {"Content-Type": content_type, "Accept": accept}
        broken = renewed = False
        for tries_left in reversed(range(_MOST_TRIES)):
            try:
                answer = await self._exchange(method, path, body, headers)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError) as error:
                if broken or not repeatable or isinstance(error, aiohttp.ClientConnectorError):
                    raise unavailable(error) from None
                broken = True
                continue
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise unavailable(error) from None
            if answer.status == _TOO_MANY and tries_left and answer.retry_after <= _LONGEST_PAUSE:
                await asyncio.sleep(answer.retry_after or 1.0)
            elif answer.status == _UNAUTHORIZED and not renewed:
                renewed = True
                await self._renew()
            else:
                break
        return answer

    @asynccontextmanager
    async def stream(
        self, path: str, *, accept: str, silence_seconds: float
    ) -> AsyncIterator[tuple[Answer | None, AsyncIterator[bytes]]]:
        """A watch: the lines that come, or the refusal.

        The lines end when the server ends them. Raises Waiting(ClusterUnavailable) when the connection breaks or no answer
        begins, and TimeoutError after ``silence_seconds`` without a byte of one that has begun.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=silence_seconds)
        begun = False
        try:
            async with self._request("GET", path, None, {"Accept": accept}, timeout) as response:
                begun = True
                if response.status < 400:
                    yield None, _lines(response)
                    return
                answer = await _answer(response)
            if answer.status == _UNAUTHORIZED:
                await self._renew()
            yield answer, _no_lines()
        except aiohttp.SocketTimeoutError as error:
            if not begun:
                raise unavailable(error) from None
            raise TimeoutError from None
        except (aiohttp.ClientError, OSError) as error:
            raise unavailable(error) from None

    async def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if method not in _READ_ONLY:
            if not self.may_write():
                raise Waiting(
                    Reason.CLUSTER_UNAVAILABLE, "The operator's Lease is over: it writes nothing more."
                )
            self.writes += 1
            self._wrote(verb_of(method, headers.get("Content-Type", "")), resource_of(path))
        async with self._request(method, path, body, headers, self._timeout) as response:
            for warning in response.headers.getall("Warning", ()):
                _log.info("the API server warns", path=path.partition("?")[0], warning=warning[:300])
            return await _answer(response)

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> Any:
        if self._session is None:
            raise SettingsError("The client is used outside of its context.")
        login = self._login
        if authorization := login.authorization:
            headers["Authorization"] = authorization
        return self._session.request(
            method,
            URL(login.server + path, encoded=True),
            data=body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            proxy=login.proxy,
            server_hostname=login.server_name,
            ssl=login.ssl,
        )

    async def _renew(self) -> None:
        """Reads the login anew, unless that was done a moment ago; requests under way keep the connections they have."""
        async with self._renewing:
            if monotonic() - self._renewed_at < _RENEWAL_SECONDS:
                return
            self._renewed_at = monotonic()
            try:
                await self._login.load()
            except SettingsError as error:
                _log.warning("the login cannot be renewed", error=str(error))


def _new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, keepalive_timeout=60),
        # Compression costs both sides more CPU than the bytes are worth on a cluster's own network.
        headers={"User-Agent": f"{FIELD_MANAGER}/{__version__}", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=2**18,
    )


def unavailable(error: Exception) -> Waiting:
    """The API server did not answer. The same failure, the same words."""
    how = "in time" if isinstance(error, TimeoutError) else f"({type(error).__name__})"
    return Waiting(Reason.CLUSTER_UNAVAILABLE, f"The API server does not answer {how}.")


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    content = await response.read()
    authentic = response.status != 404 or "Audit-Id" in response.headers or b'"Status"' in content
    wanted = _seconds(response.headers.get("Retry-After", "")) if response.status >= 400 else 0.0
    return Answer(response.status, content, authentic, wanted)


def _seconds(retry_after: str) -> float:
    """API servers give seconds, never a date."""
    known = retry_after.isascii() and retry_after.isdigit()
    return min(float(retry_after), _LONGEST_WAIT) if known else 0.0


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines, however long; aiohttp's own line reader refuses long ones."""
    pending = b""
    async for chunk in response.content.iter_any():
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            yield line


async def _no_lines() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for line in nothing:
        yield line
