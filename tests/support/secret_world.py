"""A claim's secrets said by hand, the users' Secrets that they come from, and what the cluster then holds."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.secrets import GenerateRule, SecretReference, SecretUse, SecretValue
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.reconcile import pipeline
from tests.support import builders
from tests.support.pipeline_world import World

NAMESPACE = builders.NAMESPACE
OURS = "ide-credentials"
TOKEN = SecretValue(("upstream", "token"), SecretReference("upstream", "api-key"))
PASSWORD = SecretValue(("password",), GenerateRule(8))
PIN = SecretValue(("pin",), GenerateRule(4, prefix="pin-"))
CANARY = "canary-of-the-user"

Uses = Callable[..., None]


def said_by_hand(monkeypatch: pytest.MonkeyPatch) -> Uses:
    """A function that says what the claim's values and the template's mappings come to, from now on."""
    bound: list[SecretUse] = []

    async def with_mappings(_: Any, workload: ResolvedWorkload) -> ResolvedWorkload:
        return replace(workload, secrets=tuple(bound))

    monkeypatch.setattr(pipeline, "with_mappings", with_mappings)

    def says(**texts: Sequence[str | SecretValue] | SecretValue) -> None:
        bound[:] = [
            SecretUse(key, text if isinstance(text, tuple) else (text,)) for key, text in texts.items()
        ]

    return says


def put_secret(world: World, value: str = CANARY, name: str = "upstream", **metadata: Any) -> None:
    labels = {"labels": {"ocdp.io/claimable": "true"}}
    world.cluster.put(
        NAMESPACE,
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, **labels, **metadata},
            "data": {"api-key": b64encode(value.encode()).decode()},
        },
    )


def reads(world: World, *, mounted: bool = False) -> None:
    """The Deployment reads the credentials by its environment, or by a volume."""
    for manifest in world.manifests:
        if manifest.ref.kind == "Deployment":
            pod = manifest.body["spec"]["template"]["spec"]
            source = {"prefix": "UP_", "secretRef": {"name": OURS}}
            pod["containers"][0]["envFrom"] = [source]
            if mounted:
                pod["volumes"].append({"name": "secret", "secret": {"secretName": OURS}})


def data(world: World) -> dict[str, str]:
    return {key: b64decode(value).decode() for key, value in world.raw("Secret", OURS)["data"].items()}


def pod(world: World) -> dict[str, Any]:
    template: dict[str, Any] = world.raw("Deployment", "ide-web")["spec"]["template"]
    return template


def told(world: World, reason: Reason) -> list[str]:
    return [event.message for event in world.cluster.events if event.reason == reason]


async def version(world: World) -> int:
    return (await world.claim()).status.credentials_version


async def settled(world: World, **spec: Any) -> None:
    world.ask_for(**spec)
    await world.settle()


async def look_thoroughly(world: World) -> None:
    world.restart()
    await world.settle()
