"""A newer revision reaches claims under Auto a few at a time, and one that does not work out is undone, with no data lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, deployment, document, stateful_set
from tests.support.world import Claim, Team, condition, eventually, is_ready

CLAIMS = 12
CONCURRENCY = 3
FAILURES = 2
PATIENCE = 8
"""Seconds. A claim has its place in the rollout for four times as long at most; on a busy machine a move takes some seconds, and
one that fails this long on top."""
NAMES = [f"ide-{number}" for number in range(CLAIMS)]


def files(*, annotation: str, broken: bool = False, deadline: int = 2) -> dict[str, bytes]:
    """The application; ``broken``: its pods fit no node, and that is said after ``deadline`` seconds."""
    body = deployment()
    body["spec"]["template"]["metadata"]["annotations"] = {"example.test/release": annotation}
    if broken:
        body["spec"]["progressDeadlineSeconds"] = deadline
        body["spec"]["template"]["spec"]["nodeSelector"] = {"example.test/nowhere": "true"}
    return app_files(deployment=document(body))


async def claims(team: Team) -> dict[str, Claim]:
    found = await team.platform.get("wc", "-n", team.namespace)
    return {item["metadata"]["name"]: item for item in found["items"]}


def revision(claim: Claim) -> int:
    return int(claim.get("status", {}).get("template", {}).get("revision", 0))


def is_moving(claim: Claim, to: int) -> bool:
    """It has taken the revision, and was not well on it yet."""
    well = any(item["revision"] == to and item.get("healthy") for item in claim["status"].get("history", ()))
    return revision(claim) == to and not well


class Watching:
    """What was seen of a rollout while it went on."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.most_moving = 0
        self.taken: set[str] = set()

    async def look(self, team: Team) -> dict[str, Claim]:
        found = await claims(team)
        self.most_moving = max(self.most_moving, sum(is_moving(each, self.to) for each in found.values()))
        self.taken |= {name for name, each in found.items() if revision(each) == self.to}
        return found


@asynccontextmanager
async def watching(team: Team, to: int) -> AsyncIterator[Watching]:
    seen, over = Watching(to), asyncio.Event()

    async def look_on() -> None:
        while not over.is_set():
            await seen.look(team)

    task = asyncio.create_task(look_on())
    try:
        yield seen
    finally:
        over.set()
        await task


async def volumes(team: Team) -> dict[str, str]:
    found = await team.platform.get("pvc", "-n", team.namespace)
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in found["items"]}


async def all_ready_on(team: Team, revision_: int) -> None:
    async def arrived() -> bool:
        found = await claims(team)
        return len(found) == CLAIMS and all(
            is_ready(each) and revision(each) == revision_ for each in found.values()
        )

    await eventually(arrived, f"all claims are Ready on revision {revision_}", seconds=120, every=0.5)


async def told(team: Team, reason: str) -> list[str]:
    """The claims that were told so, each as often as it was."""
    found = await team.platform.get("events", "-n", team.namespace)
    return [
        item["involvedObject"]["name"]
        for item in found["items"]
        if item["reason"] == reason
        for _ in range(item.get("count") or 1)
    ]


async def all_told(team: Team, *reasons: str) -> None:
    """Returns when as many events as there are claims give one of the reasons: they follow what a claim's status says."""

    async def enough() -> bool:
        return sum([len(await told(team, reason)) for reason in reasons]) >= CLAIMS

    await eventually(enough, f"each claim is told {' or '.join(reasons)}")


@pytest.mark.timeout(480)  # all of the claims become Ready five times
async def test_a_rollout_is_bounded_and_a_bad_revision_is_halted_and_undone(
    team: Team, operator: OperatorProcess
):
    await operator.restart(
        rolloutConcurrency=CONCURRENCY, rolloutFailures=FAILURES, rolloutPatienceSeconds=PATIENCE
    )
    for name in NAMES:
        await team.claim(name, upgradePolicy="Auto")
    await all_ready_on(team, 1)
    data = await volumes(team)

    async with watching(team, 2) as good:
        await team.publish(files(annotation="good"), tag="v1")
        await all_ready_on(team, 2)
    assert 1 <= good.most_moving <= CONCURRENCY
    await all_told(team, "UpgradeComplete")
    assert sorted(await told(team, "UpgradeComplete")) == sorted(NAMES)

    async with watching(team, 3) as bad:
        await team.publish(files(annotation="bad", broken=True), tag="v1")
        await eventually(lambda: halted(team), "the rollout is halted and undone", seconds=120, every=0.5)
        await all_told(team, "UpgradeFailed", "RolloutHalted")  # an operator that ends tells no more
        await operator.restart(rolloutPatienceSeconds=PATIENCE, rolloutFailures=FAILURES)
        await all_ready_on(team, 2)
    assert bad.most_moving <= CONCURRENCY
    assert FAILURES <= len(bad.taken) < CONCURRENCY + FAILURES
    after = await claims(team)
    failed = {name for name, each in after.items() if each["status"]["template"].get("failed") == 3}
    assert failed == bad.taken == set(await told(team, "UpgradeFailed"))
    assert sorted(await told(team, "RolloutHalted")) == sorted(set(NAMES) - bad.taken)
    assert await volumes(team) == data

    await team.publish(files(annotation="better"), tag="v1")
    await all_ready_on(team, 4)
    assert all("failed" not in each["status"]["template"] for each in (await claims(team)).values())
    assert await volumes(team) == data
    await team.assert_no_orphan()


async def halted(team: Team) -> bool:
    """Every claim says that it does not take the revision, and is Ready on the one before."""

    def says(claim: Claim) -> Any:
        return "Revision 3 is not taken" in condition(claim, "TemplateResolved")["message"]

    return all(
        is_ready(each) and revision(each) == 2 and says(each) for each in (await claims(team)).values()
    )


async def test_a_newer_revision_is_noticed_within_15_seconds_under_the_default_settings(
    team: Team, operator: OperatorProcess
):
    await operator.restart(catalogPollSeconds=10, resyncSeconds=600)
    await team.claim("ide")
    await team.ready("ide")
    await team.publish(files(annotation="second"), tag="v1")

    async def noticed() -> bool:
        return bool((await team.get_claim("ide"))["status"]["template"].get("available") == 2)

    await eventually(noticed, "the newer revision is noticed", seconds=15)


async def test_a_rollback_by_hand_pins_the_last_healthy_revision(team: Team):
    await team.claim("ide", upgradePolicy="Auto")
    await team.ready("ide")
    await team.publish(files(annotation="second"), tag="v1")

    async def moved() -> bool:
        found = await team.get_claim("ide")
        return is_ready(found) and revision(found) == 2

    await eventually(moved, "ide is Ready on revision 2")
    where = ("--namespace", team.namespace, "--kubeconfig", str(team.platform.cluster.kubeconfig))
    said = await team.platform.ocdp("claim", "rollback", "ide", *where)
    assert "goes back from revision 2 to revision 1" in said
    found = await team.ready("ide")
    assert revision(found) == found["spec"]["templateRevision"] == 1
    found = await live(team)
    assert "example.test/release" not in found["spec"]["template"]["metadata"].get("annotations", {})


async def test_a_deployment_that_its_controller_takes_for_complete_has_its_deadline_all_the_same(team: Team):
    """The controller's write that a rollout has begun can be lost to a conflict; then its own deadline never passes."""
    await team.claim("ide")
    await team.ready("ide")
    former = condition(await live(team), "Progressing")
    assert former["reason"] == "NewReplicaSetAvailable"
    await team.publish(files(annotation="bad", broken=True, deadline=10), tag="v1")
    await team.claim("ide", templateRevision=2)

    async def lost() -> bool:
        status = (await live(team))["status"]
        if status["observedGeneration"] < 2 or not status.get("updatedReplicas"):
            return False
        others = [each for each in status["conditions"] if each["type"] != "Progressing"]
        patch = json.dumps({"status": {"conditions": [former, *others]}})
        where = ("-n", team.namespace, "--subresource=status", "--type=merge")
        await team.platform.kubectl("patch", "deploy", "ide-web", *where, "-p", patch)
        return bool(condition(await live(team), "Progressing") == former)

    await eventually(lost, "its controller takes the newest ReplicaSet for complete")
    found = await team.until("ide", "Ready", "False", "Unschedulable")
    assert "no node takes its pod" in condition(found, "Ready")["message"]
    assert condition(await live(team), "Progressing") == former


async def live(team: Team) -> dict[str, Any]:
    return await team.platform.get("deploy", "ide-web", "-n", team.namespace)


async def test_a_set_that_went_back_says_which_pod_its_controller_keeps_and_stop_and_start_helps(
    team: Team,
):
    def of_set(**pod: Any) -> dict[str, bytes]:
        body = stateful_set()
        body["spec"]["template"]["spec"].update(pod)
        return app_files(deployment=document(body))

    await team.publish(of_set())
    await team.claim("ide")
    assert revision(await team.ready("ide")) == 2
    await team.publish(of_set(nodeSelector={"example.test/nowhere": "true"}))
    await team.claim("ide", templateRevision=3)
    await team.until("ide", "Healthy", "Unknown", "Unschedulable")

    await team.claim("ide", templateRevision=2)
    kept = "Kubernetes keeps its pod ide-web-0, of another revision, until that is ready"

    async def says() -> bool:
        found = await team.get_claim("ide")
        return revision(found) == 2 and kept in condition(found, "Ready")["message"]

    await eventually(says, "the claim names the pod that its controller keeps")
    await team.claim("ide", templateRevision=2, running=False)
    await team.until("ide", "Ready", "False", "Stopped")
    await team.claim("ide", templateRevision=2)
    assert revision(await team.ready("ide")) == 2
