"""A few JSON requests to our own API server: readiness, the objects it starts with, and the address controller."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self

import aiohttp

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.kubeconfig import Login

_TIMEOUT: Final = aiohttp.ClientTimeout(total=15)
_WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5)
_WATCH_SECONDS: Final = 300


class ApiError(LocalEnvironmentError):
    """The API server refused; ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiServer:
    """Speaks to one API server as one user. Use it as a context manager."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cadata=self._login.authority)
        self._session = aiohttp.ClientSession(
            base_url=self._login.server,
            connector=aiohttp.TCPConnector(ssl=context),
            headers={"Authorization": f"Bearer {self._login.token}"},
            timeout=_TIMEOUT,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ready(self) -> bool:
        """Whether ``/readyz`` says so."""
        try:
            async with self._open.get("/readyz") as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def get(self, path: str) -> dict[str, Any]:
        """The object at ``path``.

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError: it did not answer.
        """
        return await self._request("GET", path)

    async def create(self, path: str, manifest: Mapping[str, Any]) -> None:
        """Creates an object; one that is there already is left as it is.

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError: it did not answer.
        """
        try:
            await self._request("POST", path, manifest)
        except ApiError as error:
            if error.status != 409:
                raise

    async def merge(self, path: str, patch: Mapping[str, Any]) -> None:
        """Applies a JSON merge patch (RFC 7386).

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError: it did not answer.
        """
        await self._request("PATCH", path, patch, content_type="application/merge-patch+json")

    async def dry_run(self, path: str, manifest: Mapping[str, Any]) -> tuple[str, ...]:
        """Applies an object without storing it, unknown fields refused; returns what the server warns of.

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError: it did not answer.
        """
        query = {
            "dryRun": "All",
            "fieldValidation": "Strict",
            "fieldManager": "ocdp-validate",
            "force": "true",
        }
        headers = {"Content-Type": "application/apply-patch+yaml"}
        data = json.dumps(manifest).encode()
        async with self._open.patch(path, params=query, data=data, headers=headers) as response:
            answer: dict[str, Any] = json.loads(await response.read())
            if response.status >= 400:
                raise ApiError(response.status, str(answer.get("message", response.reason)))
            return tuple(response.headers.getall("Warning", ()))

    async def watch(self, path: str, version: str) -> AsyncIterator[dict[str, Any]]:
        """The events of the list at ``path`` after ``version``, until the server ends the watch.

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError: the connection broke.
        """
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        async with self._open.get(path, params=query, timeout=_WATCH_TIMEOUT) as response:
            if response.status != 200:
                raise ApiError(response.status, f"watch {path}: {response.reason}")
            rest = b""
            async for chunk in response.content.iter_any():  # an event may be longer than a line buffer
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    @property
    def _open(self) -> aiohttp.ClientSession:
        assert self._session is not None, "used outside its context"
        return self._session

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        async with self._open.request(method, path, data=data, headers=headers) as response:
            try:
                answer: dict[str, Any] = json.loads(await response.read())
            except ValueError:  # a server that is starting or ending answers in plain text
                raise ApiError(response.status, f"{method} {path}: {response.reason}") from None
            if response.status >= 400:
                message = str(answer.get("message", response.reason))
                raise ApiError(response.status, f"{method} {path}: {message}")
            return answer
