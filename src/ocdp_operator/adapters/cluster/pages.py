"""Long lists, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.refusals import Request, require
from ocdp_operator.model.kinds import Kind

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list."""

    items: Sequence[Mapping[str, Any]]
    version: str
    """Of the whole list, the same on each page."""


async def list_pages(
    client: KubeClient,
    kind: Kind,
    request: Request,
    *,
    query: str = "",
    accept: str = paths.JSON,
    unserved_is_empty: bool = False,
) -> AsyncIterator[Page]:
    """The pages of one consistent list of a kind in all namespaces. Raises Waiting when the API server refuses one.

    With ``unserved_is_empty`` a kind that it does not serve has no page, and is no error.
    """
    token = ""
    while True:
        path = f"{paths.collection(kind)}?limit={_PAGE}{query}{token}"
        answer = await client.send("GET", path, accept=accept)
        if unserved_is_empty and answer.is_absent:
            return
        raw = require(answer, request)
        metadata = raw["metadata"]
        yield Page(
            raw["items"] or (), metadata["resourceVersion"]
        )  # an empty list of metadata is null on the wire
        following = metadata.get("continue")
        if not following:
            return
        token = f"&continue={following}"
