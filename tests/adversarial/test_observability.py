"""What the operator tells of itself while it lives through all that happens to it; and that it tells no secret."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import yaml

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.ports import free_port
from ocdp_operator.dev.postgres import EmbeddedPostgres
from ocdp_operator.dev.process import Command, Process
from tests.support.faulty_proxy import FaultyProxy
from tests.support.fix_operator import QUICK
from tests.support.observed import Series, Telling, documented
from tests.support.world import Team, eventually

FIELDS = {"claim", "template", "generation", "revision", "stage", "duration", "result", "code", "ready"}

IMPATIENT = """
import asyncio, sys
from pathlib import Path
from ocdp_operator.adapters.cluster import Patience
from ocdp_operator.composition import Operator
from ocdp_operator.settings import Settings

async def main():
    patience = Patience(silence=2.0, steady=0.0)
    async with Operator.built(Settings.load(Path(sys.argv[1])), patience=patience) as operator:
        await operator.run(asyncio.Event())

asyncio.run(main())
"""


@pytest.fixture
async def password(platform: Platform) -> AsyncIterator[str]:
    """Of a role ``watched``, which may read the catalog as the operator does."""
    canary = f"canary-{secrets.token_hex(8)}"
    async with await psycopg.AsyncConnection.connect(platform.dsn, autocommit=True) as connection:
        await connection.execute(f"CREATE ROLE watched LOGIN PASSWORD '{canary}' IN ROLE ocdp_reader")
    yield canary
    async with await psycopg.AsyncConnection.connect(platform.dsn, autocommit=True) as connection:
        await connection.execute("DROP ROLE watched")


@pytest.fixture
async def watched(
    platform: Platform, operator: OperatorProcess, password: str, tmp_path: Path
) -> AsyncIterator[OperatorProcess]:
    """An operator in place of the session's, with a log of its own, that tells all it can."""
    await operator.stop()
    settings = await platform.operator_settings(**QUICK | {"logLevel": "debug", "claimMetrics": True})
    url = urlsplit(platform.dsn)
    dsn = urlunsplit(url._replace(netloc=f"watched:{password}@{url.hostname}:{url.port}"))
    async with OperatorProcess.started(tmp_path / "watched", settings, dsn) as started:
        yield started


async def scraped(telling: Telling, what: str, **at_least: float) -> Series:
    """The numbers once each of these, summed over its labels, is as large as that."""

    async def enough() -> Series | None:
        found = await telling.metrics()
        return found if all(found.value(name) >= value for name, value in at_least.items()) else None

    return await eventually(enough, what)


def lines_of(operator: OperatorProcess) -> list[dict]:
    """The log; a line that is no JSON object fails the test."""
    lines = [json.loads(line) for line in operator.log.read_text().splitlines()]
    assert all(isinstance(line, dict) and {"timestamp", "level", "event"} <= line.keys() for line in lines)
    return lines


async def events(team: Team) -> str:
    return json.dumps(await team.platform.get("events", "-n", team.namespace))


async def test_a_life_is_told_in_numbers_and_lines_and_no_secret_is_in_any_of_them(
    team: Team, watched: OperatorProcess, password: str
):
    telling = Telling(watched.url)
    await team.claim("ide", values={"guarded": "yes"}, deletionPolicy="Delete")
    await team.ready("ide")
    secret = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    values = [base64.b64decode(value).decode() for value in secret["data"].values()]
    canaries = [*values, *secret["data"].values(), password]
    assert len(values) >= 1
    assert all(len(value) >= 8 for value in values)

    await team.platform.kubectl("delete", "service", "ide-web", "-n", team.namespace)
    await scraped(telling, "the drift is corrected", ocdp_drift_corrected_total=1)
    await team.claim("ide", values={"guarded": "no"}, deletionPolicy="Delete")
    await scraped(telling, "the policy is pruned", ocdp_prune_objects_total=1)
    await team.claim("bad", values={"storageGi": 5000, "unknown": 1})
    stalled = await team.until("bad", "TemplateResolved", "False", "InvalidValues")
    await team.platform.kubectl(
        "delete", "rolebinding", "--all", "-n", team.namespace
    )  # the cluster refuses every write
    await team.claim("ide", values={"greeting": "refused"}, deletionPolicy="Delete")
    refused = await team.until("ide", "Applied", "False", "Forbidden")
    found = await telling.metrics()
    assert found.value("ocdp_claims", reason="InvalidValues") >= 1
    assert found.value("ocdp_reconcile_condition", type="Stalled", status="True") >= 1
    assert found.value("ocdp_claim_info", name="ide", namespace=team.namespace) == 1
    told = [await telling.text("/metrics"), await telling.text("/healthz"), json.dumps([stalled, refused])]
    await team.platform.place(team.workspace, team.namespace)
    await team.ready("ide")
    await team.delete("ide")
    await team.gone("ide")
    await team.delete("bad")

    found = await telling.metrics()
    assert found.value("ocdp_reconcile_total", result="released") >= 1
    assert found.value("ocdp_reconcile_total", result="error") == 0
    assert found.value("ocdp_noop_writes_total") == 0
    assert found.value("ocdp_leader") == 1
    assert found.value("ocdp_catalog_up") == 1
    assert found.value("ocdp_git_requests_total", result="success") >= 1
    assert found.value("ocdp_write_requests_total", verb="apply", resource="deployments") >= 1
    assert found.value("ocdp_write_requests_total", verb="patch", resource="workloadclaims/status") >= 3
    assert {"workloadclaims", "workloads", "pods", "deployments"} <= {
        labels["resource"] for labels in found.all("ocdp_watch_last_event_age_seconds")
    }
    served = found.labels()
    assert documented().keys() <= served.keys()
    assert {name for name in served if name.startswith("ocdp_")} <= documented().keys()
    assert all(family.documentation for family in found.families)

    lines = lines_of(watched)
    own = [
        line for line in lines if line["event"] == "reconciled" and line["claim"] == f"{team.namespace}/ide"
    ]
    assert all(line.keys() >= FIELDS for line in own)
    assert {(line["result"], line["stage"]) for line in own} >= {
        ("changed", "health"), ("waiting", "apply"), ("released", "release")
    }  # fmt: skip
    assert {line["level"] for line in own if line["result"] == "changed"} == {"info"}
    assert {line["code"] for line in own if line["result"] == "waiting"} == {"Forbidden"}
    assert all(line["template"] == team.template_id and 0 <= line["duration"] < 60 for line in own)

    told += [await telling.text("/metrics"), watched.log.read_text(), await events(team)]
    assert [canary for canary in canaries for text in told if canary in text] == []


async def test_outages_of_postgresql_and_git_change_nothing_for_the_probes(
    team: Team,
    watched: OperatorProcess,
    password: str,
    postgres_server: EmbeddedPostgres,
    git_server: GitServer,
):
    telling = Telling(watched.url)
    await eventually(telling.ready, "it is ready")
    await postgres_server.stop()
    try:
        await git_server.stop()
        await team.claim("ide")
        await team.until("ide", "TemplateResolved", "Unknown", "CatalogUnavailable")

        async def noticed() -> bool:
            return (await telling.metrics()).value("ocdp_catalog_up") == 0

        await eventually(noticed, "the catalog is told to be away")
        assert await telling.status("/healthz") == 200
        assert await telling.status("/readyz") == 200
    finally:
        await postgres_server.restart()
    try:
        await team.until("ide", "TemplateResolved", "Unknown", "GitOperationFailed")
        found = await scraped(telling, "git's refusals are counted", ocdp_git_requests_total=1)
        assert found.value("ocdp_git_requests_total", result="GitOperationFailed") >= 1
        assert await telling.status("/healthz") == 200
        assert await telling.status("/readyz") == 200
    finally:
        await git_server.restart()
    await team.ready("ide")
    lines = lines_of(watched)
    assert {line["stage"] for line in lines if line.get("code") == "CatalogUnavailable"} == {"resolve"}
    assert {line["stage"] for line in lines if line.get("code") == "GitOperationFailed"} == {"fetch"}
    assert password not in watched.log.read_text()


async def test_an_api_server_that_restarts_is_no_reason_to_be_restarted(
    team: Team, watched: OperatorProcess, control_plane: Cluster
):
    telling = Telling(watched.url)
    await eventually(telling.ready, "it is ready")
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(await telling.status("/healthz"))
            await asyncio.sleep(0.2)

    looking = asyncio.create_task(look())
    try:
        await control_plane.stop_apiserver()  # type: ignore[attr-defined]
        await control_plane.start_apiserver()  # type: ignore[attr-defined]

        async def claimed() -> bool:
            """A server that has just started knows the schema of claims a few seconds later."""
            try:
                await team.claim("ide")
            except LocalEnvironmentError:
                return False
            return True

        await eventually(claimed, "the API server takes claims again")
        await team.ready("ide", seconds=90)
    finally:
        looking.cancel()
    assert set(seen) == {200}
    assert await telling.status("/readyz") == 200
    lines_of(watched)


@pytest.fixture
async def proxy(control_plane: Cluster) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy.started(control_plane) as started:
        yield started


@asynccontextmanager
async def impatient(platform: Platform, proxy: FaultyProxy, directory: Path) -> AsyncIterator[Telling]:
    """An operator behind the proxy that believes a silent watch for two seconds only."""
    port = free_port()
    settings = await platform.operator_settings(
        **{**QUICK, "leaseSeconds": 0},
        kubeconfig=str(proxy.kubeconfig(directory / "kubeconfig")),
        healthPort=port,
    )
    file = directory / "settings.yaml"
    file.write_text(yaml.safe_dump(settings | {"workDir": str(directory / "work")}))
    process = await Process.start(
        Command(
            name="impatient operator",
            argv=(sys.executable, "-c", IMPATIENT, str(file)),
            cwd=directory,
            log=directory / "operator.log",
            env={"OCDP_CATALOG_DSN": platform.reader_dsn, "HOME": str(directory)},
            death_signal=signal.SIGKILL,
        )
    )
    telling = Telling(f"http://127.0.0.1:{port}")
    try:
        await process.ready(telling.answers, seconds=60)
        yield telling
    finally:
        await process.stop(seconds=5, sign=signal.SIGKILL)


async def test_a_kind_that_cannot_be_listed_keeps_it_from_being_ready_and_a_stalled_watch_from_being_healthy(
    team: Team, operator: OperatorProcess, platform: Platform, proxy: FaultyProxy, tmp_path: Path
):
    await team.claim("ide")
    await team.ready("ide")
    await operator.stop()
    proxy.refuse("/api/v1/pods", 503)
    async with impatient(platform, proxy, tmp_path) as telling:

        async def claims_are_listed() -> bool:
            return (await telling.checks("/readyz"))["claims"]["ok"]

        await eventually(claims_are_listed, "the claims are listed")
        assert (await telling.checks("/readyz"))["kinds"]["ok"] is False
        assert await telling.status("/readyz") == 503
        proxy.rules.clear()
        await eventually(telling.ready, "the pods are listed too", seconds=60)

        stirring = asyncio.create_task(
            _stir(team)
        )  # events for kopf's watches, which start no list of their own
        try:
            await eventually(telling.healthy, "every watch is heard")
            proxy.silent = True

            async def stalled() -> bool:
                watches = (await telling.checks("/healthz"))["watches"]
                return {"workloadclaims", "workloads", "pods", "services"} <= set(watches["stalled"])

            await eventually(stalled, "the watches are known to be stalled")
            assert await telling.status("/healthz") == 503
            found = await telling.metrics()
            assert found.value("ocdp_watch_last_event_age_seconds", resource="pods") > 6
            proxy.silent = False
            await eventually(telling.healthy, "they are heard again", seconds=60)
        finally:
            stirring.cancel()
            await asyncio.gather(stirring, return_exceptions=True)


async def _stir(team: Team) -> None:
    for count in range(1_000_000):
        for kind in ("wc", "wl"):
            await team.platform.kubectl(
                "annotate", "--overwrite", kind, "ide", "-n", team.namespace, f"example.test/stirred={count}"
            )
        await asyncio.sleep(0.2)


async def test_a_port_that_is_taken_is_said_in_a_sentence(
    platform: Platform, watched: OperatorProcess, tmp_path: Path
):
    port = int(watched.url.rpartition(":")[2])
    file = tmp_path / "settings.yaml"
    settings = await platform.operator_settings(**QUICK, healthPort=port, workDir=str(tmp_path / "work"))
    file.write_text(yaml.safe_dump(settings))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ocdp_operator", "run", "--settings", str(file),
        env={"OCDP_CATALOG_DSN": platform.reader_dsn, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        _, errors = await child.communicate()
    assert child.returncode == 2
    assert f"healthPort {port}" in errors.decode()
    assert "Traceback" not in errors.decode()
