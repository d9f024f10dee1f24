"""A claim may refer to a Secret of its namespace that says so, and to no other; which it was is told to nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.names import CLAIMABLE
from ocdp_operator.model.secrets import SecretReference, SecretUse, SecretValue
from ocdp_operator.plan.policy import Limits
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.credentials import check_references
from ocdp_operator.reconcile.ports import Ports
from ocdp_operator.reconcile.run import Rules, Run
from tests.support import builders
from tests.support.cluster_worlds import RealWorld

USE = SecretUse(
    "API_KEY", (SecretValue(("apiKey", "secretKeyRef"), SecretReference("of-the-user", "token")),)
)


def run_in(world: RealWorld) -> Run:
    unused: Any = None
    ports = Ports(unused, unused, unused, world.cluster, unused, unused)
    return Run(
        claim=builders.claim(namespace=world.namespace),
        ports=ports,
        rules=Rules("local", Limits()),
        store=ClaimStore(),
        now=lambda: datetime.now(UTC),
        generate=lambda _: "",
    )


async def make_secret(world: RealWorld, **labels: str) -> None:
    await world.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "of-the-user", "labels": labels},
            "stringData": {"token": "x"},
        }
    )


@pytest.mark.parametrize("labels", [None, {}, {CLAIMABLE: "false"}], ids=["absent", "unlabelled", "refused"])
async def test_a_secret_that_is_not_offered_is_not_claimable(
    world: RealWorld, labels: dict[str, str] | None
) -> None:
    if labels is not None:
        await make_secret(world, **labels)
    with pytest.raises(Stalled) as caught:
        await check_references(run_in(world), (USE,))
    assert caught.value.reason is Reason.SECRET_NOT_CLAIMABLE
    assert "that is not there, or that claims may not refer to" in caught.value.message


async def test_a_secret_that_is_offered_passes(world: RealWorld) -> None:
    await make_secret(world, **{CLAIMABLE: "true"})
    await check_references(run_in(world), (USE,))
