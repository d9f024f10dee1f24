"""What a user sees of a claim in each situation, as committed files: ``kubectl get``, wide, ``describe`` and the events.

Read ``golden/NAME.txt`` as its user would. Renew them with ``pytest tests/e2e/test_golden.py --write-golden``.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.support.apps import app_files, claim, deployment, document, template
from tests.support.golden_files import Golden
from tests.support.simulated_pods import no_simulation, simulate
from tests.support.user_views import seen
from tests.support.world import Team, condition, eventually

SIMULATED = {"image-pull-failed": "imagepull", "crash-loop": "crashloop", "progressing": "slow"}


@dataclass(frozen=True)
class Stage:
    """One workspace for all of it: each situation has a claim of its own name."""

    team: Team
    postgres: EmbeddedPostgres

    async def submit(self, name: str, template_id: str = "", **spec: Any) -> None:
        """Creates a claim without kubectl's own annotation."""
        team = self.team
        body = claim(name, team.namespace, template_id or team.template_id, team.workspace, **spec)
        await team.platform.kubectl("create", "-f", "-", stdin=yaml.safe_dump(body))

    async def ready(self, name: str, template_id: str = "", **spec: Any) -> None:
        await self.submit(name, template_id, **spec)
        await self.team.ready(name)

    async def change(self, name: str, **spec: Any) -> None:
        patch = yaml.safe_dump({"spec": spec})
        await self.team.platform.kubectl(
            "patch", "wc", name, "-n", self.team.namespace, "--type=merge", "-p", patch
        )

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return await self.team.platform.kubectl(*arguments, "-n", self.team.namespace, stdin=stdin)

    async def told(self, name: str, reason: str) -> None:
        """Returns when the claim has an event with this reason."""

        async def is_told() -> bool:
            found = await self.team.platform.get("events", "-n", self.team.namespace)
            return any(
                (each["involvedObject"]["name"], each["reason"]) == (name, reason) for each in found["items"]
            )

        await eventually(is_told, f"{name} is told {reason}")

    async def says(self, name: str, words: str) -> None:
        """Returns when the claim's Ready says these words."""

        async def are_said() -> bool:
            return words in condition(await self.team.get_claim(name), "Ready").get("message", "")

        await eventually(are_said, f"{name} says '{words}'")


Situation = Callable[[Stage, str], AbstractAsyncContextManager[None]]
SITUATIONS: dict[str, Situation] = {}


def situation(make: Callable[[Stage, str], AsyncIterator[None]]) -> None:
    """Its name, with dashes, is that of the claim and of the file."""
    SITUATIONS[make.__name__.replace("_", "-")] = asynccontextmanager(make)


@situation
async def ready(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name)
    await stage.told(name, "HealthCheckSucceeded")
    yield


@situation
async def progressing(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.submit(name)
    await stage.says(name, "pods are ready")
    yield


@situation
async def image_pull_failed(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.submit(name)
    await stage.team.until(name, "Ready", "False")
    yield


@situation
async def crash_loop(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.submit(name)
    await stage.team.until(name, "Ready", "False")
    yield


@situation
async def unschedulable(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.submit(name, f"large-{stage.team.namespace}")
    await stage.team.until(name, "Healthy", "Unknown", "Unschedulable")
    yield


@situation
async def drift_corrected(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name)
    await stage.told(name, "HealthCheckSucceeded")
    await stage.kubectl(
        "patch", "service", f"{name}-web", "--type=merge", "-p", '{"spec":{"selector":{"mine":"now"}}}'
    )
    await stage.told(name, "DriftCorrected")
    yield


@situation
async def circuit_open(stage: Stage, name: str) -> AsyncIterator[None]:
    """Somebody undoes each repair."""
    await stage.ready(name)
    await stage.told(name, "HealthCheckSucceeded")

    async def left_alone() -> bool:
        await stage.kubectl(
            "patch", "service", f"{name}-web", "--type=merge", "--field-manager=another-controller",
            "-p", '{"spec":{"selector":{"mine":"now"}}}',
        )  # fmt: skip
        return condition(await stage.team.get_claim(name), "Drifted").get("reason") == "WatchCircuitOpen"

    await eventually(left_alone, f"{name} is left alone")
    yield


@situation
async def stopped(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name)
    await stage.told(name, "HealthCheckSucceeded")
    await stage.change(name, running=False)
    await stage.team.until(name, "Ready", "False", "Stopped")
    yield


@situation
async def suspended(stage: Stage, name: str) -> AsyncIterator[None]:
    """What was changed by hand meanwhile is told, and left."""
    await stage.ready(name)
    await stage.told(name, "HealthCheckSucceeded")
    await stage.change(name, suspend=True)
    await stage.kubectl(
        "patch", "service", f"{name}-web", "--type=merge", "-p", '{"spec":{"selector":{"mine":"now"}}}'
    )
    await stage.team.until(name, "Drifted", "True", "DriftDetected")
    yield


@situation
async def prune_blocked(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name, f"moving-{stage.team.namespace}", templateRevision=1)
    await stage.change(name, templateRevision=2)
    await stage.team.until(name, "Applied", "True", "PruneBlocked")
    await stage.team.ready(name)
    yield


@situation
async def update_available(stage: Stage, name: str) -> AsyncIterator[None]:
    """A newer revision is published while it runs, and its policy is Manual."""
    await stage.ready(name, f"newer-{stage.team.namespace}")
    await stage.told(name, "HealthCheckSucceeded")
    await _another(stage.team, "newer", "v2", _without_volume())
    await stage.told(name, "UpdateAvailable")
    yield


@situation
async def immutable_field_refused(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name, values={"storageGi": 2})
    await stage.told(name, "HealthCheckSucceeded")
    await stage.change(name, values={"storageGi": 1})
    await stage.team.until(name, "Ready", "False")
    yield


@situation
async def invalid_values(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.submit(name, values={"storageGi": 5000, "colour": "red"})
    await stage.team.until(name, "Ready", "False", "InvalidValues")
    yield


@situation
async def ownership_conflict(stage: Stage, name: str) -> AsyncIterator[None]:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{name}-web"},
        "spec": {"ports": [{"port": 80}]},
    }
    await stage.kubectl("create", "-f", "-", stdin=yaml.safe_dump(service))
    await stage.submit(name)
    await stage.team.until(name, "Ready", "False", "OwnershipConflict")
    yield


@situation
async def retained(stage: Stage, name: str) -> AsyncIterator[None]:
    """A claim made anew meets what the one before it left."""
    await stage.ready(name)
    await stage.team.delete(name)
    await stage.team.gone(name)
    await stage.submit(name)
    await stage.team.until(name, "Ready", "False", "OwnershipConflict")
    yield


@situation
async def adopted(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name)
    former = (await stage.team.get_claim(name))["metadata"]["uid"]
    await stage.team.delete(name)
    await stage.team.gone(name)
    await stage.submit(name)
    await stage.team.until(name, "Ready", "False", "OwnershipConflict")
    await stage.kubectl("annotate", "wc", name, f"ocdp.io/adopt={former}")
    await stage.team.ready(name)
    await stage.told(name, "HealthCheckSucceeded")
    yield


@situation
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


@situation
async def access_revoked(stage: Stage, name: str) -> AsyncIterator[None]:
    template_id = f"private-{stage.team.namespace}"
    await stage.ready(name, template_id)
    await stage.told(name, "HealthCheckSucceeded")
    await stage.team.platform.ocdp("binding", "disable", template_id, "--workspace", stage.team.workspace)
    await stage.team.until(name, "TemplateResolved", "False", "AccessRevoked")
    yield


@situation
async def catalog_unavailable(stage: Stage, name: str) -> AsyncIterator[None]:
    """The last: it concerns all claims."""
    await stage.ready(name)
    await stage.told(name, "HealthCheckSucceeded")
    await stage.postgres.stop()
    await stage.kubectl("label", "wc", name, "looked-at=now")  # an event: the next resync would do too
    try:
        await stage.team.until(name, "TemplateResolved", "Unknown", "CatalogUnavailable", seconds=90)
        yield
    finally:
        await stage.postgres.restart()


@pytest.fixture(scope="module")
async def stage(
    platform: Platform, session_operator: OperatorProcess, postgres_server: EmbeddedPostgres
) -> AsyncIterator[Stage]:
    """Five templates of one small application, offered to one workspace."""
    if not session_operator.running:
        await session_operator.start()
    unique = f"golden-{secrets.token_hex(3)}"
    repository = await platform.git.repository(unique)
    team = Team(platform, unique, unique, f"web-{unique}", repository, platform.git.url(unique))
    await platform.place(unique, unique)
    await team.publish()
    large = deployment()
    large["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "90000"
    await _another(team, "private", "v1")
    await _another(team, "large", "large", app_files(deployment=document(large)))
    await _another(team, "newer", "v1")
    await _another(team, "moving", "v1")
    await _another(team, "moving", "v2", _without_volume())
    for each in ("web", "private", "large", "moving", "newer"):
        await platform.bind(f"{each}-{unique}", unique)
    await simulate(platform, unique, SIMULATED)
    yield Stage(team, postgres_server)
    await no_simulation(platform, unique)
    await platform.kubectl("delete", "wc", "--all", "-n", unique, "--wait=false")
    await platform.kubectl("delete", "namespace", unique, "--wait=false")


async def _another(team: Team, name: str, tag: str, files: dict[str, bytes] | None = None) -> None:
    """Publishes a revision of another template of the same repository; without its volume, where it has none."""
    if files is not None:
        await team.repository.tag(tag, await team.repository.commit(files, "another"), force=True)
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": tag, "path": "web/base"}
    body = template(f"{name}-{team.namespace}", team.repository_url, source=source)
    if files is not None and "web/base/volume.yaml" not in files:
        body["mappings"] = [each for each in body["mappings"] if each.get("from") != "values.storageGi"]
    await team.platform.publish(body)


def _without_volume() -> dict[str, bytes]:
    body = deployment()
    pod = body["spec"]["template"]["spec"]
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "data"]
    container = pod["containers"][0]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "data"]
    return app_files(deployment=document(body), volume=b"")


@pytest.mark.parametrize("name", SITUATIONS)
async def test_a_user_sees(name: str, stage: Stage, golden: Golden):
    async with SITUATIONS[name](stage, name):
        last = ""

        async def at_rest() -> bool:
            nonlocal last
            before, last = last, await seen(stage.team, name)
            return before == last

        await eventually(at_rest, f"{name} is at rest", every=0.5)
        golden.compare(name, last)


def test_every_file_has_its_situation(golden: Golden):
    assert {file.stem for file in golden.directory.glob("*.txt")} == set(SITUATIONS)
