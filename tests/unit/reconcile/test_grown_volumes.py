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


async def test_a_revision_that_makes_a_volume_grow_is_remembered_on_it(claimed: Claimed):
    await claimed.takes(2, files("2Gi", GREETING))
    assert claimed.volume() == ("2Gi", "ide-data=1Gi")
    writes = claimed.world.cluster.writes
    claimed.world.restart()
    await claimed.world.reconcile(3)
    assert claimed.world.cluster.writes == writes


async def test_a_later_revision_that_asks_for_less_again_leaves_the_volume_as_it_is(claimed: Claimed):
    await claimed.takes(2, files("2Gi", GREETING))
    await claimed.takes(3, files("1Gi"))
    assert claimed.volume() == ("2Gi", "ide-data=1Gi")
    assert await claimed.is_ready()
    assert await claimed.template() == (3, None)

    claimed.spec["values"] = {"size": 3}
    await claimed.settles()
    assert claimed.volume() == ("2Gi", "ide-data=1Gi")
    assert await claimed.is_ready()


async def test_a_revision_that_asks_for_less_than_there_ever_was_is_not_taken(claimed: Claimed):
    await claimed.takes(2, files("2Gi", GREETING))
    await claimed.takes(3, files("512Mi"))
    assert await claimed.template() == (2, 3)
    assert claimed.volume() == ("2Gi", "ide-data=1Gi")


async def test_a_volume_that_somebody_made_larger_stays_so_and_is_told_once(claimed: Claimed):
    cluster = claimed.world.cluster
    larger = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    cluster.edit(builders.NAMESPACE, builders.ref("PersistentVolumeClaim", "ide-data"), larger)
    await claimed.world.settle()
    assert claimed.volume() == ("3Gi", "ide-data=1Gi")
    assert await claimed.is_ready()
    told = [event.message for event in cluster.events if event.reason is Reason.DRIFT_CORRECTED]
    size = "spec.resources.requests.storage is 3Gi, set by kubectl, and stays so"
    assert told == [f"Corrected: PersistentVolumeClaim/ide-data: {size}."]
    writes = cluster.writes
    await claimed.world.reconcile(3)
    assert cluster.writes == writes

    await claimed.takes(2, files("1Gi", GREETING))
    assert claimed.volume() == ("3Gi", "ide-data=1Gi")
    assert await claimed.template() == (2, None)
