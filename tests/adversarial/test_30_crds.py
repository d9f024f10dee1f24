"""Row 30: our CRDs absent, removed, restored, and of another version than this operator's. On a control plane of its own."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from shutil import rmtree
from typing import Any

import pytest

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import PROJECT, Platform
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.support.fix_operator import QUICK
from tests.support.observed import Telling
from tests.support.world import Team, condition, eventually

CRDS = str(PROJECT / "config" / "crds")
CLAIMS, WORKLOADS = "workloadclaims.ocdp.io", "workloads.ocdp.io"
Crd = dict[str, Any]


@pytest.fixture(scope="module")
async def own_platform(
    binaries: Binaries, git_server: GitServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    async with ControlPlane.start(binaries=binaries) as plane, EmbeddedPostgres.start() as postgres:
        made = Platform(plane, postgres, git_server, tmp_path_factory.mktemp("platform"))
        await made.prepare()
        async with made.renewing_token():
            yield made


@pytest.fixture
async def installed(own_platform: Platform) -> AsyncIterator[Platform]:
    """After the test the CRDs are as config/ says."""
    yield own_platform
    await install(own_platform)
    # kubectl remembers for hours which versions were served, and asks for the newest of them.
    rmtree(own_platform.cluster.workdir / "kubectl-cache", ignore_errors=True)


class Kubelet:
    """Starts the operator again when it ends, as a Deployment does."""

    def __init__(self, operator: OperatorProcess) -> None:
        self.operator = operator
        self.telling = Telling(operator.url)

    async def run(self) -> None:
        while True:
            await self.operator.start()
            await self.operator.ended()

    async def ready(self) -> bool:
        return await self.telling.answers() and await self.telling.ready()

    async def says(self, *words: str) -> None:
        async def said() -> bool:
            if not self.operator.log.exists():  # not started yet
                return False
            log = await asyncio.to_thread(self.operator.log.read_text)
            return any(all(word in line for word in words) for line in log.splitlines())

        await eventually(said, f"the log says {words}", seconds=90)


@pytest.fixture
async def kubelet(
    installed: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[], Any]]:
    settings = await installed.operator_settings(**QUICK, logJson=True)
    operator = OperatorProcess(tmp_path_factory.mktemp("operator"), settings, installed.reader_dsn)
    kubelet = Kubelet(operator)
    tasks: list[asyncio.Task[None]] = []

    def start() -> Kubelet:
        tasks.append(asyncio.create_task(kubelet.run()))
        return kubelet

    yield start
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await operator.stop()


@pytest.fixture
async def team(installed: Platform) -> Team:
    name = f"team-{secrets.token_hex(3)}"
    repository = await installed.git.repository(name)
    team = Team(installed, name, name, f"web-{name}", repository, installed.git.url(name))
    await installed.place(name, name)
    await team.publish()
    await installed.bind(team.template_id, name)
    return team


async def install(platform: Platform) -> None:
    await platform.kubectl("apply", "--server-side", "--force-conflicts", "-k", CRDS)
    await platform.kubectl(
        "wait", "--for=condition=Established", "--timeout=60s", f"crd/{CLAIMS}", f"crd/{WORKLOADS}"
    )


async def served_claim(team: Team, name: str, **spec: Any) -> None:
    """Applies a claim as soon as the API server serves the kind again."""

    refusals: list[str] = []

    async def applied() -> bool:
        try:
            await team.claim(name, **spec)
        except LocalEnvironmentError as refusal:
            refusals.append(str(refusal))
            return False
        return True

    try:
        await eventually(applied, "claims are served")
    except AssertionError as error:
        raise AssertionError(f"{error}: {refusals[-1]}") from None


async def edit(platform: Platform, name: str, change: Callable[[Crd], None]) -> None:
    """Another version of the operator's CRD."""
    crd = await platform.get("crd", name)
    change(crd)
    del crd["status"]
    await platform.kubectl("replace", "-f", "-", stdin=json.dumps(crd))


def generations(objects: dict[str, dict[str, Any]]) -> dict[str, tuple[str, int]]:
    return {
        name: (item["metadata"]["uid"], item["metadata"].get("generation", 0))
        for name, item in objects.items()
        if not name.startswith("Workload/")
    }


async def test_30_without_its_crds_it_waits_and_begins_when_they_are_there(
    installed: Platform, team: Team, kubelet: Callable[[], Kubelet]
):
    await installed.kubectl("delete", "-k", CRDS)
    operator = kubelet()
    await operator.says("does not serve this kind")
    assert await operator.telling.healthy()
    assert not await operator.telling.ready()
    await install(installed)
    await served_claim(team, "ide")
    await team.ready("ide", seconds=90)
    await eventually(operator.ready, "it is ready")


async def test_30_a_crd_that_is_removed_releases_its_claims_and_new_ones_are_served_when_it_is_back(
    installed: Platform, team: Team, kubelet: Callable[[], Kubelet]
):
    operator = kubelet()
    await served_claim(team, "kept", deletionPolicy="RetainData")
    await served_claim(team, "gone", deletionPolicy="Delete")
    await team.ready("kept", seconds=90)
    await team.ready("gone", seconds=90)
    await installed.kubectl("delete", "crd", CLAIMS, "--timeout=90s")
    assert await team.marked() == {"PersistentVolumeClaim/kept-data", "Secret/kept-credentials"}
    await install(installed)
    await served_claim(team, "new")
    await team.ready("new", seconds=90)
    await eventually(operator.ready, "it is ready")


async def test_30_without_the_crd_of_its_projection_what_runs_goes_on_and_the_projection_comes_back(
    installed: Platform, team: Team, kubelet: Callable[[], Kubelet]
):
    kubelet()
    await served_claim(team, "ide")
    await team.ready("ide", seconds=90)
    before = await team.find("deployment", "ide-web")
    await installed.kubectl("delete", "crd", WORKLOADS, "--timeout=90s")
    await install(installed)

    async def back() -> bool:
        with suppress(Exception):
            return await team.find("wl", "ide") is not None
        return False

    await eventually(back, "the Workload is back", seconds=90)
    await team.ready("ide", seconds=90)
    after = await team.find("deployment", "ide-web")
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


async def test_30_without_the_crd_of_its_projection_a_new_process_releases_claims(
    installed: Platform, team: Team, kubelet: Callable[[], Kubelet]
):
    operator = kubelet()
    await served_claim(team, "ide", deletionPolicy="Delete")
    await team.ready("ide", seconds=90)
    await installed.kubectl("delete", "crd", WORKLOADS, "--timeout=90s")
    operator.operator.send(signal.SIGKILL)
    await team.delete("ide")
    await team.gone("ide", seconds=90)
    live = await installed.get("deployments,services,secrets,persistentvolumeclaims", "-n", team.namespace)
    assert not [
        item["metadata"]["name"] for item in live["items"] if item["metadata"]["name"].startswith("ide")
    ]
    await install(installed)


def next_version(crd: Crd) -> None:
    """A field with a default in the version that is stored, and a further version beside it."""
    stored = crd["spec"]["versions"][0]
    spec = stored["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["tier"] = {"type": "string", "default": "basic"}
    crd["spec"]["versions"].append(json.loads(json.dumps(stored)) | {"name": "v1alpha2", "storage": False})


async def test_30_a_later_crd_with_a_defaulted_field_changes_nothing_that_runs(
    installed: Platform, team: Team, kubelet: Callable[[], Kubelet]
):
    operator = kubelet()
    await served_claim(team, "ide")
    await team.ready("ide", seconds=90)
    before = generations(await team.objects())
    await edit(installed, CLAIMS, next_version)

    async def defaulted() -> bool:
        return bool((await team.get_claim("ide"))["spec"].get("tier") == "basic")

    await eventually(defaulted, "the default is served")
    await served_claim(team, "later")
    await team.ready("later", seconds=90)
    await team.ready("ide", seconds=90)
    after = generations(await team.objects())
    assert {name: after[name] for name in before} == before
    await eventually(operator.ready, "it is ready")


def without_inventory(crd: Crd) -> None:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["status"]["properties"]["inventory"]


async def test_30_what_an_earlier_crd_cannot_record_is_not_done_and_the_field_is_named(
    installed: Platform, team: Team, kubelet: Callable[[], Kubelet]
):
    operator = kubelet()
    await eventually(operator.ready, "it is ready", seconds=90)
    await edit(installed, CLAIMS, without_inventory)
    undeclared = 'unknown field "status.inventory"'

    async def refused() -> bool:
        try:
            body = '{"apiVersion":"ocdp.io/v1alpha1","kind":"WorkloadClaim","metadata":{"name":"probe"},"spec":{"templateId":"a","workspaceId":"b"},"status":{"inventory":[]}}'
            await installed.kubectl(
                "create", "-n", team.namespace, "--dry-run=server", "--validate=strict", "-f", "-", stdin=body
            )
        except Exception as error:  # noqa: BLE001 - what is waited for
            return undeclared in str(error)
        return False

    await eventually(refused, "the API server forgot the field")
    await served_claim(team, "ide")
    await operator.says("status.inventory is not declared by its CRD")
    assert await team.marked() == set()
    await install(installed)
    await team.ready("ide", seconds=120)
    assert condition(await team.get_claim("ide"), "Ready")["status"] == "True"
