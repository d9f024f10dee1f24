"""Volumes that a revision or somebody made larger stay as they are, and hold up nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.names import GROWN_FROM
from ocdp_operator.model.objects import Manifest
from tests.support import builders
from tests.support.pipeline_world import PASSWORD, World, app

GREETING = "7b9d2mkf5t"
LARGER = "Corrected: PersistentVolumeClaim/ide-data: spec.resources.requests.storage is {}, set by kubectl, and stays so."


def files(size: str, greeting: str = "bbcdfghkmt") -> list[Manifest]:
    claimed = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": size}},
    }
    rest = [each for each in app(greeting=greeting) if each.ref.kind != "PersistentVolumeClaim"]
    return [*rest, builders.manifest("PersistentVolumeClaim", "ide-data", spec=claimed)]


def revision(number: int) -> Any:
    return builders.template(number, commit=f"{number}" * 40, **PASSWORD)


class Claimed:
    """A claim on revision 1 whose volume has 1Gi; ``seen`` are the renderings of its revisions."""

    def __init__(self, **spec: Any) -> None:
        self.spec = spec
        self.world = World(files("1Gi"), revision=revision(1))
        self.world.cluster.storage_classes = {"fast": True}

    async def settles(self) -> None:
        self.world.ask_for(**self.spec)
        await self.world.settle()

    async def takes(self, number: int, manifests: list[Manifest]) -> None:
        self.world.revision, self.world.manifests = revision(number), manifests
        await self.world.settle()

    def volume(self) -> tuple[str, str]:
        raw = self.world.raw("PersistentVolumeClaim", "ide-data")
        size = raw["spec"]["resources"]["requests"]["storage"]
        return size, raw["metadata"]["annotations"].get(GROWN_FROM, "")

    def grow(self, size: str) -> None:
        """As somebody with kubectl."""
        larger = {"spec": {"resources": {"requests": {"storage": size}}}}
        volume = builders.ref("PersistentVolumeClaim", "ide-data")
        self.world.cluster.edit(builders.NAMESPACE, volume, larger)

    def corrections(self) -> list[str]:
        events = self.world.cluster.events
        return [event.message for event in events if event.reason is Reason.DRIFT_CORRECTED]

    async def is_quiet(self) -> None:
        """Nothing is written any more, by another process neither."""
        writes = self.world.cluster.writes
        await self.world.reconcile(3)
        self.world.restart()
        await self.world.reconcile(3)
        assert self.world.cluster.writes == writes

    async def is_ready(self) -> bool:
        return (await self.world.claim()).status.condition_set.is_true("Ready")

    async def template(self) -> tuple[int, int | None]:
        """The revision that it is on, and the one that failed."""
        found = (await self.world.claim()).status.template
        assert found is not None
        return found.revision, found.failed


@pytest.fixture
async def claimed() -> Claimed:
    made = Claimed(upgradePolicy="Auto")
    await made.settles()
    assert made.volume() == ("1Gi", "")
    return made


async def test_a_claim_that_is_rolled_back_keeps_the_volume_that_grew_and_is_edited_on(claimed: Claimed):
    await claimed.takes(2, files("2Gi", GREETING))
    assert claimed.volume() == ("2Gi", "")
    claimed.spec["templateRevision"] = 1
    claimed.world.revision, claimed.world.manifests = revision(1), files("1Gi")
    await claimed.settles()
    assert claimed.volume() == ("2Gi", "ide-data=1Gi")
    assert await claimed.is_ready()
    assert await claimed.template() == (1, None)
    await claimed.is_quiet()

    claimed.spec["values"] = {"size": 3}
    await claimed.settles()
    assert claimed.volume() == ("2Gi", "ide-data=1Gi")
    assert await claimed.is_ready()


async def test_a_user_who_asks_for_less_than_there_was_before_is_refused(claimed: Claimed):
    await claimed.takes(2, files("2Gi", GREETING))
    claimed.spec["values"] = {"size": 3}
    claimed.world.manifests = files("1Gi", GREETING)
    await claimed.settles()
    assert claimed.volume() == ("2Gi", "")
    ready = (await claimed.world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert ready.reason is Reason.IMMUTABLE_FIELD_CONFLICT


async def test_a_newer_revision_that_asks_for_less_is_not_taken(claimed: Claimed):
    await claimed.takes(2, files("2Gi", GREETING))
    await claimed.takes(3, files("1Gi"))
    assert await claimed.template() == (2, 3)
    assert claimed.volume() == ("2Gi", "")


async def test_a_volume_that_was_made_larger_while_the_claim_was_suspended_is_no_revisions_fault(
    claimed: Claimed,
):
    claimed.spec["suspend"] = True
    await claimed.settles()
    claimed.grow("5Gi")
    claimed.spec["suspend"] = False
    claimed.world.revision, claimed.world.manifests = revision(2), files("2Gi", GREETING)
    await claimed.settles()
    assert await claimed.template() == (2, None)
    assert claimed.volume() == ("5Gi", "ide-data=2Gi")
    assert claimed.corrections() == [LARGER.format("5Gi")]


async def test_a_growth_that_failed_is_taken_back_by_a_smaller_size_that_is_asked_for(claimed: Claimed):
    claimed.spec["values"] = {"size": 5}
    claimed.world.manifests = files("5Gi")
    await claimed.settles()
    volume = builders.ref("PersistentVolumeClaim", "ide-data")
    status = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    claimed.world.cluster.set_status(builders.NAMESPACE, volume, **status)
    claimed.spec["values"] = {"size": 2}
    claimed.world.manifests = files("2Gi")
    await claimed.settles()
    assert claimed.volume() == ("2Gi", "")


async def test_a_volume_that_somebody_made_larger_stays_so_and_is_told_once(claimed: Claimed):
    claimed.grow("3Gi")
    await claimed.world.settle()
    assert claimed.volume() == ("3Gi", "ide-data=1Gi")
    assert await claimed.is_ready()
    assert claimed.corrections() == [LARGER.format("3Gi")]
    await claimed.is_quiet()

    await claimed.takes(2, files("1Gi", GREETING))
    assert claimed.volume() == ("3Gi", "ide-data=1Gi")
    assert await claimed.template() == (2, None)


async def test_somebody_who_changes_a_volume_that_grew_again_and_again_is_let_be(claimed: Claimed):
    claimed.grow("3Gi")
    await claimed.world.settle()
    volume = builders.ref("PersistentVolumeClaim", "ide-data")
    for _ in range(6):
        change = {"metadata": {"labels": {"ocdp.io/workspace": "theirs"}}}
        claimed.world.cluster.edit(builders.NAMESPACE, volume, change)
        await claimed.world.reconcile(2)
    drifted = (await claimed.world.claim()).status.condition_set.get("Drifted")
    assert drifted is not None
    assert drifted.reason is Reason.WATCH_CIRCUIT_OPEN
    assert claimed.volume() == ("3Gi", "ide-data=1Gi")
