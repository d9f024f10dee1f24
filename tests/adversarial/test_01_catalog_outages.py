"""Row 1: PostgreSQL stops before a question and in the middle of one, stays away, and comes back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.support.apps import claim
from tests.support.fix_operator import TeamFactory
from tests.support.observed import Telling
from tests.support.world import Team, condition, eventually, is_ready

NAMES = tuple(f"ide-{number}" for number in range(10))
BACK = 30.0
"""Seconds after its return within which everything that waited is done: probes come each second in these tests."""


@pytest.fixture
async def postgres_again(postgres_server: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    """The catalog's server; it runs again after the test, whatever the test did."""
    yield postgres_server
    await postgres_server.restart()


async def make(team: Team, *names: str, **spec: object) -> None:
    """All of them at once."""
    bodies = [
        claim(name, team.namespace, team.template_id, team.workspace, deletionPolicy="Delete", **spec)
        for name in names
    ]
    await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))


async def all_ready(team: Team, *names: str, seconds: float = 60) -> None:
    async def ready() -> bool:
        items = (await team.platform.get("wc", "-n", team.namespace))["items"]
        return set(names) <= {item["metadata"]["name"] for item in items if is_ready(item)}

    await eventually(ready, "they are Ready", seconds=seconds)


async def versions(team: Team) -> dict[str, str]:
    """Of every object but the projections, which tell of the outage."""
    found = await team.objects()
    return {n: i["metadata"]["resourceVersion"] for n, i in found.items() if not n.startswith("Workload/")}


async def questions(operator: OperatorProcess) -> float:
    metrics = await Telling(operator.url).metrics()
    return metrics.value("ocdp_catalog_query_duration_seconds_count")


async def in_the_middle(team: Team, server: EmbeddedPostgres) -> None:
    """Stops the server while a question of the operator waits for a lock in its transaction."""
    dsn = team.platform.dsn
    with suppress(psycopg.OperationalError):  # it ends with the server
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await connection.execute("LOCK TABLE ocdp.workload_templates IN ACCESS EXCLUSIVE MODE")
            holder = connection.info.backend_pid
            await make(team, *NAMES[:5], values={"greeting": "in the middle"})

            async def asked() -> bool:
                async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
                    found = await other.execute(
                        "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
                        [holder],
                    )
                    row = await found.fetchone()
                return row is not None and row[0] > 0

            await eventually(asked, "a question is in the middle", every=0.05)
            await server.stop()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", ["before", "during"])
async def test_01_claims_wait_by_name_cost_nothing_and_go_on_when_it_is_back(
    new_team: TeamFactory, operator: OperatorProcess, postgres_again: EmbeddedPostgres, moment: str
):
    team: Team = await new_team()
    await make(team, *NAMES)
    await all_ready(team, *NAMES)
    before = await versions(team)
    changed, steady = NAMES[:5], NAMES[5:]
    if moment == "before":
        await postgres_again.stop()
        await make(team, *changed, values={"greeting": "while it is away"})
    else:
        await in_the_middle(team, postgres_again)
    for name in changed:
        waiting = await team.until(name, "TemplateResolved", "Unknown", "CatalogUnavailable")
        assert "PostgreSQL" in condition(waiting, "TemplateResolved")["message"]
        assert condition(waiting, "Healthy")["status"] == "True"
        if moment == "during" and is_ready(waiting):
            continue  # the lock goes before its own session does: the question was answered with the server's last breath
        assert condition(waiting, "Ready")["status"] == "Unknown"
        assert condition(waiting, "Reconciling")["status"] == "True"

    # Ten claims that wait cost what one costs: a probe and a poll a second, whatever the resync does.
    began, asked = time.monotonic(), await questions(operator)

    async def asked_often() -> bool:
        return await questions(operator) >= asked + 10

    await eventually(asked_often, "it is asked for again and again")
    rate = (await questions(operator) - asked) / (time.monotonic() - began)
    assert rate <= 4, f"{rate:.1f} questions a second"
    for name in steady:
        assert is_ready(await team.get_claim(name))
    now = await versions(team)
    durable = {name for name in before if not name.startswith("ConfigMap/")}  # which go with their content
    assert now.keys() >= durable, "nothing is pruned"
    if moment == "before":
        assert now == before, "and nothing is written"

    await postgres_again.restart()
    await all_ready(team, *NAMES, seconds=BACK)
    for name in changed:
        ready = await team.get_claim(name)
        assert condition(ready, "TemplateResolved")["status"] == "True"
        assert "failure" not in ready["status"]
    after = await versions(team)
    unchanged = {name for name in before if any(each in name for each in steady)}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    await team.assert_no_orphan()
