"""Row 2: PostgreSQL restarts in the middle of questions, fails over to a read-only replica, or goes silent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from ocdp_operator.adapters.catalog.store import MAX_CONNECTIONS
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.support.apps import claim
from tests.support.fault_relay import FaultRelay, before_postgres
from tests.support.fix_operator import QUICK, TeamFactory
from tests.support.replica import replica_of
from tests.support.world import Team, condition, eventually, is_ready

LONGEST = 15.0
"""Seconds that anybody may wait for a catalog that says nothing."""
NAMES = tuple(f"ide-{number}" for number in range(12))


@dataclass
class Relayed:
    """An operator, in place of the session's, that reaches the catalog through a relay."""

    relay: FaultRelay
    operator: OperatorProcess

    def sockets(self) -> int:
        """How many sockets of the operator lead to the catalog, in whatever state."""
        table = Path(f"/proc/{self.operator.pid}/net/tcp").read_text().splitlines()[1:]
        held = {
            link.readlink().name
            for link in Path(f"/proc/{self.operator.pid}/fd").iterdir()
            if link.is_symlink()
        }
        rows = [line.split() for line in table]
        port = f":{self.relay.port:04X}"
        return sum(row[2].endswith(port) and f"socket:[{row[9]}]" in held for row in rows)

    def longest_look(self) -> float:
        """Seconds of the longest reconcile that its log tells of."""
        lines = [line for line in self.operator.log.read_text().splitlines() if '"reconciled"' in line]
        return max(json.loads(line)["duration"] for line in lines)


@pytest.fixture
async def relayed(operator: OperatorProcess, platform: Platform, tmp_path: Path) -> AsyncIterator[Relayed]:
    await operator.stop()
    settings = await platform.operator_settings(**QUICK | {"resyncSeconds": 5, "logLevel": "debug"})
    async with (
        before_postgres(platform.reader_dsn) as (relay, dsn),
        OperatorProcess.started(tmp_path / "operator", settings, dsn) as own,
    ):
        yield Relayed(relay, own)


@pytest.fixture
async def postgres_again(postgres_server: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    """The catalog's server; it runs again after the test, whatever the test did."""
    yield postgres_server
    await postgres_server.restart()


async def make(team: Team, **spec: object) -> None:
    """All claims at once."""
    spec = {"deletionPolicy": "Delete", **spec}
    bodies = [claim(name, team.namespace, team.template_id, team.workspace, **spec) for name in NAMES]
    await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))


async def all_ready(team: Team, *, count: int = len(NAMES)) -> None:
    async def ready() -> bool:
        claims = (await team.platform.get("wc", "-n", team.namespace))["items"]
        return len(claims) == count and all(map(is_ready, claims))

    await eventually(ready, "every claim is Ready", seconds=90)


async def blocked_questions(dsn: str, holder: int) -> int:
    """How many sessions wait for the lock of that one."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        row = await (
            await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", [holder]
            )
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_02_a_restart_in_the_middle_of_questions_costs_a_wait_and_nothing_else(
    team: Team, relayed: Relayed, postgres_again: EmbeddedPostgres
):
    dsn = team.platform.dsn
    await make(team)
    await all_ready(team)
    before = {name: item["metadata"]["uid"] for name, item in (await team.objects()).items()}
    for _ in range(3):
        with suppress(psycopg.OperationalError):  # it ends with the server
            async with await psycopg.AsyncConnection.connect(dsn) as connection:
                await connection.execute("LOCK TABLE ocdp.workload_templates IN ACCESS EXCLUSIVE MODE")
                holder = connection.info.backend_pid

                async def asked(holder: int = holder) -> bool:
                    return await blocked_questions(dsn, holder) > 0

                await eventually(asked, "a question is in the middle of its transaction", every=0.05)
                await postgres_again.restart()
    await make(team, values={"greeting": "after it"})
    await all_ready(team)
    after = {name: item["metadata"]["uid"] for name, item in (await team.objects()).items()}
    durable = [name for name in before if not name.startswith("ConfigMap/")]
    assert {name: after.get(name) for name in durable} == {name: before[name] for name in durable}
    assert relayed.longest_look() < LONGEST
    assert relayed.operator.running
    await slots_are_free(relayed)


async def slots_are_free(relayed: Relayed) -> None:
    """I7: no more connections than the pool may have, and each of them of use."""

    async def few() -> bool:
        return 1 <= relayed.relay.connections == relayed.sockets() <= MAX_CONNECTIONS

    await eventually(few, "the pool is as large as it may be, and no socket is left over")


@pytest.mark.timeout(300)
async def test_02_a_failover_to_a_read_only_replica_is_no_outage(
    team: Team, relayed: Relayed, postgres_again: EmbeddedPostgres
):
    await team.claim("steady")
    await team.ready("steady")
    async with replica_of(postgres_again) as replica:
        address = conninfo_to_dict(replica.dsn())
        primary = relayed.relay.target
        relayed.relay.target = (str(address["host"]), int(address["port"] or 0))
        relayed.relay.cut()
        await team.claim("steady", values={"greeting": "from the replica"})
        await team.claim("new")
        await team.ready("steady")
        await team.ready("new")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            async with await psycopg.AsyncConnection.connect(
                replica.dsn(team.platform.database)
            ) as connection:
                await connection.execute("CREATE TABLE x ()")
        # It is behind from now on: what it lacks is not there yet, and nothing that runs is touched for that.
        await team.publish({**team.files, "web/notes.txt": b"two"}, tag="v2")
        relayed.relay.target = primary
        relayed.relay.cut()
        await team.claim("newest")
        await team.ready("newest")
    assert (await team.get_claim("steady"))["status"]["template"]["revision"] == 1
    assert relayed.operator.running
    await slots_are_free(relayed)


@pytest.mark.timeout(300)
async def test_02_a_network_that_swallows_everything_holds_nobody_for_long(
    new_team: TeamFactory, relayed: Relayed
):
    team: Team = await new_team()
    await make(team)
    await all_ready(team)
    uids = {name: item["metadata"]["uid"] for name, item in (await team.objects()).items()}
    relayed.relay.swallows = True
    loop = asyncio.get_running_loop()
    began = loop.time()
    await make(team, values={"greeting": "into the silence"})
    for name in NAMES:
        waiting = await team.until(name, "TemplateResolved", "Unknown", "CatalogUnavailable")
        assert condition(waiting, "Healthy")["status"] == "True"
    assert loop.time() - began < 2 * LONGEST
    await team.delete(NAMES[-1])
    await team.gone(NAMES[-1])

    relayed.relay.swallows = False
    await all_ready(team, count=len(NAMES) - 1)
    after = {name: item["metadata"]["uid"] for name, item in (await team.objects()).items()}
    kept = [n for n in uids if n.split("/")[0] in ("PersistentVolumeClaim", "Secret", "Deployment")]
    assert {n: after.get(n) for n in kept if NAMES[-1] not in n} == {
        n: uids[n] for n in kept if NAMES[-1] not in n
    }
    assert relayed.longest_look() < LONGEST
    await slots_are_free(relayed)
