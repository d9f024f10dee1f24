"""StorageClasses, as far as the size of a volume depends on them."""

from __future__ import annotations

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.refusals import Request, require
from ocdp_operator.model.objects import ObjectRef


async def lets_volumes_grow(client: KubeClient, storage_class: str) -> bool | None:
    """Whether a StorageClass lets volumes grow; None when it is gone. Raises Waiting when it may not be read."""
    answer = await client.send("GET", paths.item(paths.STORAGE_CLASS, "", storage_class))
    if answer.is_absent:
        return None
    ref = ObjectRef(paths.STORAGE_CLASS.group, paths.STORAGE_CLASS.kind, storage_class)
    return bool(require(answer, Request("get", ref, "")).get("allowVolumeExpansion"))
