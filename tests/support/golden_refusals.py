"""What a claim is refused, what holds up its deletion and what it leaves; and outages, which concern all claims."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from tests.support.audit import OPERATOR
from tests.support.golden_stage import Situations, Stage
from tests.support.world import eventually

REFUSALS: Final = Situations()
OUTAGES: Final = Situations()


@REFUSALS.add
async def template_not_available(stage: Stage, name: str) -> AsyncIterator[None]:
    """It is not there, or not for this workspace: the claim's owner cannot tell which."""
    await stage.fails(name, stage.of("unknown"), reason="TemplateNotAvailable")
    yield


@REFUSALS.add
async def workspace_mismatch(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.fails(name, workspaceId="another-team", reason="WorkspaceMismatch")
    yield


@REFUSALS.add
async def invalid_values(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.fails(name, values={"storageGi": 5000, "colour": "red"}, reason="InvalidValues")
    yield


@REFUSALS.add
async def immutable_field_refused(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name, values={"storageGi": 2})
    await stage.change(name, values={"storageGi": 1})
    await stage.team.until(name, "Ready", "False")
    yield


@REFUSALS.add
async def ownership_conflict(stage: Stage, name: str) -> AsyncIterator[None]:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{name}-web"},
        "spec": {"ports": [{"port": 80}]},
    }
    await stage.kubectl("create", "-f", "-", stdin=yaml.safe_dump(service))
    await stage.fails(name, reason="OwnershipConflict")
    yield


@REFUSALS.add
async def access_revoked(stage: Stage, name: str) -> AsyncIterator[None]:
    template_id = stage.of("private")
    await stage.ready(name, template_id)
    await stage.team.platform.ocdp("binding", "disable", template_id, "--workspace", stage.team.workspace)
    await stage.team.until(name, "TemplateResolved", "False", "AccessRevoked")
    yield


@REFUSALS.add
async def retained(stage: Stage, name: str) -> AsyncIterator[None]:
    """A claim made anew meets what the one before it left."""
    await _made_anew(stage, name)
    yield


async def _made_anew(stage: Stage, name: str) -> str:
    """Deletes a claim that was ready, and makes it again; with the UID of the one before."""
    await stage.ready(name)
    former = str((await stage.team.get_claim(name))["metadata"]["uid"])
    await stage.team.delete(name)
    await stage.team.gone(name)
    await stage.fails(name, reason="OwnershipConflict")
    return former


@REFUSALS.add
async def adopted(stage: Stage, name: str) -> AsyncIterator[None]:
    former = await _made_anew(stage, name)
    await stage.kubectl("annotate", "wc", name, f"ocdp.io/adopt={former}")
    await stage.team.ready(name)
    await stage.told(name, "HealthCheckSucceeded")
    yield


@REFUSALS.add
async def deleting_blocked(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name, deletionPolicy="Delete")
    hold = '{"metadata":{"finalizers":["example.test/hold"]}}'
    await stage.kubectl("patch", "service", f"{name}-web", "--type=merge", "-p", hold)
    await stage.team.delete(name)
    await stage.team.until(name, "Deleting", "True", "WaitingForResources")
    yield
    free = '{"metadata":{"finalizers":null}}'
    await stage.kubectl("patch", "service", f"{name}-web", "--type=merge", "-p", free)
    await stage.team.gone(name)


@REFUSALS.add
async def deletion_forbidden(stage: Stage, name: str) -> AsyncIterator[None]:
    """Somebody took the operator's right in the namespace away."""
    await stage.ready(name, deletionPolicy="Delete")
    await stage.kubectl("delete", "rolebinding", "--all")
    await _rightless(stage, name)
    await stage.team.delete(name)
    await stage.team.until(name, "Deleting", "True", "Forbidden")
    yield
    await stage.team.platform.place(stage.team.workspace, stage.team.namespace)
    await stage.team.gone(name)


async def _rightless(stage: Stage, name: str) -> None:
    """Returns when the API server has heard that the operator has no right any more."""

    async def refused() -> bool:
        try:
            await stage.kubectl("delete", "workload", name, "--dry-run=server", f"--as={OPERATOR}")
        except LocalEnvironmentError as error:
            return "(Forbidden)" in str(error)
        return False

    await eventually(refused, "the operator may not delete workloads")


@OUTAGES.add
async def catalog_unavailable(stage: Stage, name: str) -> AsyncIterator[None]:
    """It is Ready all the same."""
    await stage.ready(name)
    await stage.postgres.stop()
    await stage.kubectl("label", "wc", name, "looked-at=now")  # an event: the next resync would do too
    try:
        await stage.team.until(name, "TemplateResolved", "Unknown", "CatalogUnavailable", seconds=90)
        yield
    finally:
        await stage.postgres.restart()


@OUTAGES.add
async def edit_while_catalog_is_away(stage: Stage, name: str) -> AsyncIterator[None]:
    """What is asked for waits; what runs goes on."""
    await stage.ready(name)
    await stage.postgres.stop()
    await stage.change(name, values={"greeting": "hello again"})
    try:
        await stage.team.until(name, "Ready", "Unknown", "CatalogUnavailable", seconds=90)
        yield
    finally:
        await stage.postgres.restart()
