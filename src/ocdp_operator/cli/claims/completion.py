"""Names for the shell to complete."""

from __future__ import annotations

import asyncio
from typing import Final

import typer

from ocdp_operator.adapters.cluster.claims import UserClaims
from ocdp_operator.cli.target import target
from ocdp_operator.errors import OcdpError

_PATIENCE: Final = 2.0
"""Seconds: who presses Tab does not wait longer."""


def claim_names(context: typer.Context, incomplete: str) -> list[str]:
    """The claims of the namespace that begin so; none where the cluster does not tell them at once."""
    given = context.params
    try:
        names = asyncio.run(_names(given.get("kubeconfig"), given.get("context"), given.get("namespace")))
    except (OcdpError, TimeoutError):
        return []
    return [name for name in names if name.startswith(incomplete)]


async def _names(kubeconfig: str | None, context: str | None, namespace: str | None) -> list[str]:
    async with asyncio.timeout(_PATIENCE), target(kubeconfig, context, namespace) as (client, where):
        return [raw["metadata"]["name"] for raw in await UserClaims(client, where).list()]
