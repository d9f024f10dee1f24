"""Claims as a user of the cluster sees and changes them: with the rights of a kubeconfig, and nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.adapters.cluster.client import Answer, KubeClient
from ocdp_operator.adapters.cluster.denials import Asked, away, denial
from ocdp_operator.errors import Refused, Waiting
from ocdp_operator.model.kinds import CLAIM
from ocdp_operator.model.names import WORKSPACE

RawClaim = Mapping[str, Any]


class UserClaims:
    """The claims of one namespace.

    Raises Refused for a namespace that is not UTF-8. Every method raises Refused when the API server says no, and Waiting
    when it does not answer.
    """

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self.namespace = _utf8(namespace, "namespace")

    async def workspace(self) -> str:
        """The workspace that the namespace's label names; empty: none, or we may not look."""
        answer = await self._send("GET", f"/api/v1/namespaces/{quote(self.namespace, safe='')}")
        labels = (answer.json().get("metadata") or {}).get("labels") or {} if answer.ok else {}
        return str(labels.get(WORKSPACE, ""))

    async def create(self, manifest: RawClaim, *, dry_run: bool = False) -> RawClaim:
        """The claim as the API server made it; with ``dry_run``: as it would."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        path = paths.collection(CLAIM, self.namespace) + query
        asked = Asked("create", self.namespace, manifest["metadata"]["name"])
        return _required(await self._send("POST", path, manifest), asked)

    async def get(self, name: str) -> RawClaim:
        """One claim."""
        return _required(await self._send("GET", self._item(name)), Asked("get", self.namespace, name))

    async def find(self, name: str) -> RawClaim | None:
        """One claim, or None when it does not exist."""
        answer = await self._send("GET", self._item(name))
        if answer.is_absent and (answer.json().get("details") or {}).get("kind"):
            return None
        return _required(answer, Asked("get", self.namespace, name))

    async def list(self, *, everywhere: bool = False) -> Sequence[RawClaim]:
        """The namespace's claims, or those of all namespaces, by namespace and name."""
        namespace = "" if everywhere else self.namespace
        answer = await self._send("GET", paths.collection(CLAIM, namespace))
        return list(_required(answer, Asked("list", namespace))["items"])

    async def change(self, name: str, change: Mapping[str, Any]) -> RawClaim:
        """The claim after a JSON merge patch."""
        answer = await self._send("PATCH", self._item(name), change, content_type=paths.MERGE_PATCH)
        return _required(answer, Asked("patch", self.namespace, name))

    async def delete(self, name: str) -> None:
        """Asks for the claim's deletion; the operator then cleans up."""
        _required(await self._send("DELETE", self._item(name)), Asked("delete", self.namespace, name))

    async def events(self, uid: str) -> Sequence[Mapping[str, Any]]:
        """What was told of the claim with this UID, oldest first; none where the user may not read events."""
        selector = quote(f"involvedObject.uid={uid}", safe="")
        answer = await self._send(
            "GET", f"{paths.collection(paths.EVENT, self.namespace)}?fieldSelector={selector}"
        )
        return sorted(answer.json()["items"], key=_last_seen) if answer.ok else ()

    def _item(self, name: str) -> str:
        return paths.item(CLAIM, self.namespace, _utf8(name, "claim"))

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, content_type: str = paths.JSON
    ) -> Answer:
        try:
            content = None if body is None else orjson.dumps(body)
        except orjson.JSONEncodeError as error:
            raise Refused(f"The claim cannot be written as JSON: {error}.") from None
        try:
            return await self._client.send(
                method, path, content, content_type=content_type, repeatable=method != "POST"
            )
        except Waiting as error:
            raise away(error.message) from None


def _utf8(name: str, what: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Refused(f"The name of the {what} is not UTF-8.") from None
    return name


def _required(answer: Answer, asked: Asked) -> Mapping[str, Any]:
    if not answer.ok:
        raise denial(answer, asked)
    return answer.json()


def _last_seen(event: Mapping[str, Any]) -> tuple[str, int]:
    """Times have no fractions of a second; of two at once, the one that was written later is the later one."""
    metadata = event["metadata"]
    seen = event.get("lastTimestamp") or event.get("eventTime") or metadata["creationTimestamp"]
    return str(seen), int(metadata["resourceVersion"])
