"""What becomes of a claim that was well: changed by hand, stopped, moved to another revision."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from ocdp_operator.model.names import RECONCILE_REQUESTED
from tests.support.golden_stage import (
    Situations,
    Stage,
    another,
    never_scheduled,
    with_container,
    without_volume,
)
from tests.support.world import condition, eventually, is_ready

CHANGES: Final = Situations()


@CHANGES.add
async def drift_corrected(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name)
    await stage.kubectl(
        "patch", "service", f"{name}-web", "--type=merge", "-p", '{"spec":{"selector":{"mine":"now"}}}'
    )
    await stage.told(name, "DriftCorrected")
    yield


@CHANGES.add
async def drift_ignored(stage: Stage, name: str) -> AsyncIterator[None]:
    """Its template leaves the number of pods to whoever changes it, and nothing is told."""
    await stage.ready(name, stage.of("ignoring"))
    await stage.kubectl("scale", "deployment", f"{name}-web", "--replicas=2")

    async def scaled() -> bool:
        found = await stage.team.find("deployment", f"{name}-web")
        return found is not None and found["status"].get("readyReplicas") == 2

    await eventually(scaled, "two pods are ready")
    await stage.team.ready(name)
    yield


@CHANGES.add
async def circuit_open(stage: Stage, name: str) -> AsyncIterator[None]:
    """Somebody undoes each repair."""
    await stage.ready(name)

    async def left_alone() -> bool:
        await stage.kubectl(
            "patch", "service", f"{name}-web", "--type=merge", "--field-manager=another-controller",
            "-p", '{"spec":{"selector":{"mine":"now"}}}',
        )  # fmt: skip
        return condition(await stage.team.get_claim(name), "Drifted").get("reason") == "WatchCircuitOpen"

    await eventually(left_alone, f"{name} is left alone")
    yield


@CHANGES.add
async def stopped(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name)
    await stage.change(name, running=False)
    await stage.team.until(name, "Ready", "False", "Stopped")
    yield


@CHANGES.add
async def suspended(stage: Stage, name: str) -> AsyncIterator[None]:
    """What was changed by hand meanwhile is told, and left."""
    await stage.ready(name)
    await stage.change(name, suspend=True)
    await stage.says(name, "suspended")  # an operator that has yet to hear of it puts the change right
    await stage.kubectl(
        "patch", "service", f"{name}-web", "--type=merge", "-p", '{"spec":{"selector":{"mine":"now"}}}'
    )
    await stage.team.until(name, "Drifted", "True", "DriftDetected")
    yield


@CHANGES.add
async def credentials_regenerated(stage: Stage, name: str) -> AsyncIterator[None]:
    """Somebody deleted the Secret; the next look that is asked for finds it out."""
    await stage.ready(name)
    await stage.kubectl("delete", "secret", f"{name}-credentials")
    await stage.kubectl("annotate", "wc", name, f"{RECONCILE_REQUESTED}=now")
    await stage.told(name, "CredentialsRegenerated")
    await stage.team.until(name, "Ready", "True")
    yield


@CHANGES.add
async def prune_blocked(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name, stage.of("moving"), templateRevision=1)
    await stage.change(name, templateRevision=2)
    await stage.team.until(name, "Applied", "True", "PruneBlocked")
    await stage.team.ready(name)
    yield


@CHANGES.add
async def update_available(stage: Stage, name: str) -> AsyncIterator[None]:
    """A newer revision is published while it runs, and its policy is Manual."""
    await stage.ready(name, stage.of("newer"))
    await another(stage.team, "newer", "v2", without_volume())
    await stage.told(name, "UpdateAvailable")
    yield


@CHANGES.add
async def upgrade_complete(stage: Stage, name: str) -> AsyncIterator[None]:
    """Its policy is Auto: nobody did anything."""
    await stage.ready(name, stage.of("moved"), upgradePolicy="Auto")
    await another(stage.team, "moved", "v1.1", with_container(image="registry.example.test/web:1.1.0"))
    await stage.told(name, "UpgradeComplete")
    await stage.team.ready(name)
    yield


@CHANGES.add
async def upgrade_failed(stage: Stage, name: str) -> AsyncIterator[None]:
    """It went back by itself."""
    await stage.ready(name, stage.of("failing"), upgradePolicy="Auto")
    await another(stage.team, "failing", "nowhere", never_scheduled(deadline=8))
    await stage.told(name, "UpgradeFailed")
    await _well_on_its_first_revision(stage, name)
    yield


@CHANGES.add
async def rollout_halted(stage: Stage, name: str) -> AsyncIterator[None]:
    """Another claim of the template met the revision first."""
    other = "first-to-move"
    await stage.ready(other, stage.of("halting"), upgradePolicy="Auto")
    await stage.ready(name, stage.of("halting"), upgradePolicy="Auto")
    await stage.change(name, suspend=True)
    await stage.says(name, "suspended")
    await another(stage.team, "halting", "nowhere", never_scheduled(deadline=2))
    await stage.told(other, "UpgradeFailed")
    await stage.change(name, suspend=False)
    await stage.told(name, "RolloutHalted")
    await _well_on_its_first_revision(stage, name)
    yield


async def _well_on_its_first_revision(stage: Stage, name: str) -> None:
    async def well() -> bool:
        found = await stage.team.get_claim(name)
        in_force = found["status"]["template"]["revision"] == 1
        resolved = condition(found, "TemplateResolved")
        return in_force and is_ready(found) and "Revision 2 is not taken" in resolved["message"]

    await eventually(well, f"{name} is well on its first revision")
