"""StorageClasses, as far as the size of a volume depends on them."""

from __future__ import annotations

from collections.abc import Callable

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.refusals import Request, require
from ocdp_operator.errors import Reason, Waiting
from ocdp_operator.model.objects import ObjectRef


async def lets_volumes_grow(
    client: KubeClient, storage_class: str, forbidden: Callable[[Waiting], None]
) -> bool | None:
    """Whether a StorageClass lets volumes grow; None when it is gone, or when it may not be read, of which ``forbidden`` is told."""
    answer = await client.send("GET", paths.item(paths.STORAGE_CLASS, "", storage_class))
    if answer.is_absent:
        return None
    ref = ObjectRef(paths.STORAGE_CLASS.group, paths.STORAGE_CLASS.kind, storage_class)
    try:
        return bool(require(answer, Request("get", ref, "")).get("allowVolumeExpansion"))
    except Waiting as error:
        if error.reason is not Reason.FORBIDDEN:
            raise
        forbidden(error)
        return None
