"""What an apply would do: whole live objects, and server-side applies as dry runs. Nothing is ever stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from ocdp_operator.adapters.cluster import paths, storage
from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.refusals import Request, require
from ocdp_operator.model.kinds import SECRET
from ocdp_operator.model.objects import Manifest, ObjectRef

_ASKER: Final = "you have"
_DRY_RUN: Final = f"{paths.FORCED}{paths.DRY_RUN}"


class KubeTrials:
    """Reads and dry runs with the caller's own rights. Of Secrets only the metadata is ever asked for."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def live(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        """The object as it lives; None when it is absent. Raises Waiting or Stalled when it may not be read."""
        answer = await self._client.send(
            "GET", paths.item(ref.known_kind, namespace, ref.name), accept=_detail(ref)
        )
        return None if answer.is_absent else require(answer, Request("get", ref, namespace, _ASKER))

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        """Whether volumes of this StorageClass may grow; None when there is no telling."""
        # Few users may look; the API server judges then.
        return await storage.lets_volumes_grow(self._client, storage_class, lambda _: None)

    async def applied(self, namespace: str, manifest: Manifest) -> Mapping[str, Any]:
        """The object as it would be once the operator applied it; the API server stores nothing.

        Raises Conflict, Waiting or Stalled: what the API server would refuse, or the caller may not ask.
        """
        ref = manifest.ref
        answer = await self._client.send(
            "PATCH",
            paths.item(ref.known_kind, namespace, ref.name) + _DRY_RUN,
            orjson.dumps(manifest.body),
            content_type=paths.APPLY_PATCH,
            accept=_detail(ref),
        )
        return require(answer, Request("apply", ref, namespace, _ASKER))


def _detail(ref: ObjectRef) -> str:
    return paths.METADATA if ref.kind == SECRET.kind else paths.JSON
