"""What deleted claims left, as a user of the cluster sees it: volumes, and of Secrets the metadata alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.denials import Asked, away, denial
from ocdp_operator.errors import Waiting
from ocdp_operator.model.kinds import PVC, SECRET, Kind

RawObject = Mapping[str, Any]


class KeptObjects:
    """Lists by a label, with the rights of a kubeconfig, in one namespace or in all (an empty one)."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def volumes(self, label: str, value: str) -> Sequence[RawObject]:
        """PersistentVolumeClaims, whole. Raises Refused or Waiting."""
        return await self._list(PVC, label, value, paths.JSON) or ()

    async def secrets(self, label: str, value: str) -> Sequence[RawObject] | None:
        """Metadata of Secrets; None when the user may not list them. Raises Refused or Waiting."""
        return await self._list(SECRET, label, value, paths.METADATA_LIST, may_be_denied=True)

    async def secret(self, name: str) -> RawObject | None:
        """Metadata of one Secret; None when it is absent, or the user may not get it."""
        answer = await self._send(paths.item(SECRET, self._namespace, name), paths.METADATA)
        return answer.json() if answer.ok else None

    async def _list(
        self, kind: Kind, label: str, value: str, accept: str, *, may_be_denied: bool = False
    ) -> Sequence[RawObject] | None:
        path = f"{paths.collection(kind, self._namespace)}?{paths.having(label, value)}"
        answer = await self._send(path, accept)
        if may_be_denied and answer.status == 403:
            return None
        if not answer.ok:
            raise denial(answer, Asked("list", self._namespace))
        return answer.json()["items"] or ()

    async def _send(self, path: str, accept: str) -> Any:
        try:
            return await self._client.send("GET", path, accept=accept)
        except Waiting as error:
            raise away(error.message) from None
