"""The operator's view of the catalog, while PostgreSQL stops, hangs, restarts or changes under it."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.adapters.catalog.schema import HEAD, migrate
from ocdp_operator.adapters.catalog.store import _ASK, MAX_CONNECTIONS, PostgresCatalog
from ocdp_operator.dev.postgres import EmbeddedPostgres
from ocdp_operator.errors import CATALOG, Reason, SettingsError, Waiting
from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.publication import ClusterEntry
from ocdp_operator.model.template import CatalogQuestion
from tests.support.catalog_entries import binding, pinned, profile, workspace
from tests.support.cluster_worlds import until
from tests.support.fault_relay import before_postgres
from tests.support.fix_postgres import CatalogDatabase, new_catalog

QUESTION = CatalogQuestion("local", "code-server", "team-a", "team-a", None)


@asynccontextmanager
async def opened(dsn: str, *, seconds: float = 30.0) -> AsyncIterator[PostgresCatalog]:
    """Patient, for questions that get an answer; who waits for a failure says how long."""
    catalog = PostgresCatalog(dsn, seconds=seconds)
    await catalog.open()
    try:
        yield catalog
    finally:
        await catalog.close()


@pytest.fixture
async def own_server() -> AsyncIterator[EmbeddedPostgres]:
    """A server that this test may stop."""
    async with EmbeddedPostgres.start() as server:
        yield server


async def failure(question: Awaitable[object]) -> tuple[Waiting, float]:
    start = time.monotonic()
    with pytest.raises(Waiting) as caught:
        await question
    error = caught.value
    assert error.reason is Reason.CATALOG_UNAVAILABLE
    assert error.dependency == CATALOG
    return error, time.monotonic() - start


async def eventually(question: Callable[[], Awaitable[object]], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                await question()
            except Waiting:
                await asyncio.sleep(0.1)
            else:
                return


async def test_a_stopped_server_is_told_within_seconds_and_its_return_is_noticed(
    own_server: EmbeddedPostgres,
):
    database = await new_catalog(own_server)
    async with opened(database.reader_dsn, seconds=5.0) as catalog:
        assert (await catalog.ask(QUESTION)).revision is None
        await own_server.stop()
        # More than one round of the pool's own attempts.
        errors = [await failure(question) for question in (catalog.ask(QUESTION), catalog.counter())]
        assert all(took < 12 for _, took in errors)
        assert {error.message for error, _ in errors} == {"The catalog's PostgreSQL does not answer."}
        await own_server.restart()
        await eventually(catalog.counter)
        assert (await catalog.ask(QUESTION)).revision is None


async def test_a_start_without_a_server_is_no_failure(own_server: EmbeddedPostgres):
    database = await new_catalog(own_server)
    await own_server.stop()
    async with opened(database.reader_dsn, seconds=1.0) as catalog:
        await failure(catalog.counter())
        await own_server.restart()
        await eventually(catalog.counter)


async def test_many_questions_during_an_outage_all_end_in_time(own_server: EmbeddedPostgres):
    database = await new_catalog(own_server)
    async with opened(database.reader_dsn, seconds=1.0) as catalog:
        await eventually(catalog.counter)
        await own_server.stop()
        start = time.monotonic()
        results = await asyncio.gather(*(catalog.ask(QUESTION) for _ in range(200)), return_exceptions=True)
        assert all(isinstance(result, Waiting) for result in results)
        assert time.monotonic() - start < 10


async def test_every_worker_there_can_be_is_answered_at_once(catalog_database: CatalogDatabase):
    async with opened(catalog_database.reader_dsn) as catalog:
        assert len(await asyncio.gather(*(catalog.ask(QUESTION) for _ in range(256)))) == 256
        assert await _sessions(catalog_database) <= MAX_CONNECTIONS


async def test_connections_ended_by_the_server_are_replaced_without_a_failure(
    catalog_database: CatalogDatabase,
):
    async with opened(catalog_database.reader_dsn) as catalog:
        await asyncio.gather(*(catalog.ask(QUESTION) for _ in range(20)))
        await _end_sessions(catalog_database)
        await asyncio.gather(*(catalog.ask(QUESTION) for _ in range(20)))


async def test_a_silent_network_holds_nobody_longer_than_a_few_seconds(catalog_database: CatalogDatabase):
    async with (
        before_postgres(catalog_database.reader_dsn) as (relay, dsn),
        opened(dsn, seconds=1.0) as catalog,
    ):
        await eventually(lambda: catalog.ask(QUESTION))
        relay.swallows = True
        _, took = await failure(catalog.ask(QUESTION))
        assert took < 8
        relay.swallows = False
        await eventually(catalog.counter)


async def test_attempts_into_a_silent_network_leave_no_socket_behind(catalog_database: CatalogDatabase):
    """Also where garbage is hardly ever collected, as in the operator."""
    gc.disable()
    try:
        async with before_postgres(catalog_database.reader_dsn) as (relay, dsn):
            impatient = make_conninfo(dsn, connect_timeout=2)
            async with opened(impatient, seconds=1.0) as catalog:
                await eventually(catalog.counter)
                relay.swallows = True
                async with asyncio.timeout(120):
                    while catalog._pool.get_stats().get("connections_errors", 0) < MAX_CONNECTIONS:
                        await failure(catalog.counter())
                # What was closed a moment ago is counted until the relay has heard of it; what leaks stays.
                await until(lambda: relay.connections <= 4, "only those are left that the pool just tries")
    finally:
        gc.enable()


async def test_cancelled_questions_leave_no_connection_behind(catalog_database: CatalogDatabase):
    async with opened(catalog_database.reader_dsn) as catalog:
        await catalog.counter()
        for round_ in range(20):
            tasks = [asyncio.create_task(catalog.ask(QUESTION)) for _ in range(MAX_CONNECTIONS * 2)]
            await asyncio.sleep(0.0005 * round_)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        answers = await asyncio.gather(*(catalog.ask(QUESTION) for _ in range(MAX_CONNECTIONS * 2)))
        assert len(answers) == MAX_CONNECTIONS * 2
        assert await _sessions(catalog_database) <= MAX_CONNECTIONS


async def test_every_part_of_the_question_has_an_index(catalog_database: CatalogDatabase):
    """Where the planner must not read a table through, it finds another way; two tables have one row each."""
    parameters = {
        "cluster_id": "local", "template_id": "code-server", "workspace_id": "team-a", "namespace": "team-a", "revision": None,
        "users": ["ada"], "groups": ["staff"], "profile_ids": ["a"], "profile_revisions": [1],
    }  # fmt: skip
    async with await AsyncConnection.connect(catalog_database.dsn) as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.execute(f"EXPLAIN {_ASK}", parameters)
        scanned = [line for (line,) in await plan.fetchall() if "Seq Scan" in line]
    assert {line.split(" on ")[1].split()[0] for line in scanned} <= {"counter", "schema_version"}


async def test_a_profile_and_its_revision_are_of_one_moment(catalog_database: CatalogDatabase):
    async with (
        opened(catalog_database.reader_dsn) as catalog,
        CatalogRegistry.connect(catalog_database.dsn) as registry,
    ):
        await registry.apply([ClusterEntry(id="local"), profile(parameters={"n": "1"})])

        async def write() -> None:
            for number in range(2, 40):
                await registry.apply([profile(parameters={"n": f"{number}"})])

        writing = asyncio.create_task(write())
        while not writing.done():
            for answer in await asyncio.gather(*(catalog.ask(QUESTION) for _ in range(4))):
                (said,), (newest,) = answer.profiles, answer.newest_profiles
                assert said.ref == newest
                assert said.body["parameters"]["n"] == f"{newest.revision}"
        await writing


async def test_an_answer_is_of_one_moment(catalog_database: CatalogDatabase):
    """A writer adds one revision in each transaction; an answer never mixes two states."""
    async with (
        opened(catalog_database.reader_dsn) as catalog,
        CatalogRegistry.connect(catalog_database.dsn) as registry,
    ):
        await registry.apply(
            [ClusterEntry(id="local"), workspace("team-a", "team-a"), pinned(commit=f"{0:040x}"), binding()]
        )
        offset = await catalog.counter() - 1

        async def write() -> None:
            for number in range(1, 60):
                await registry.apply([pinned(commit=f"{number:040x}")])

        writing = asyncio.create_task(write())
        while not writing.done():
            for answer in await asyncio.gather(*(catalog.ask(QUESTION) for _ in range(4))):
                assert answer.revision.revision == answer.newest == answer.counter - offset
                assert int(answer.revision.source.commit, 16) == answer.newest - 1
        await writing


async def test_its_sessions_are_read_only_whatever_the_role_may_do(catalog_database: CatalogDatabase):
    async with opened(catalog_database.dsn) as catalog:
        await catalog.counter()
        async with catalog._pool.connection() as connection:
            settings = [
                (await (await connection.execute(f"SHOW {name}")).fetchone())[0]
                for name in (
                    "transaction_read_only",
                    "transaction_isolation",
                    "statement_timeout",
                    "lock_timeout",
                )
            ]
    assert settings == ["on", "repeatable read", "5s", "2s"]


async def test_options_of_the_dsn_are_kept(catalog_database: CatalogDatabase):
    dsn = make_conninfo(catalog_database.reader_dsn, options="-c work_mem=8MB", application_name="mine")
    async with opened(dsn) as catalog:
        await catalog.counter()
        async with catalog._pool.connection() as connection:
            row = await (
                await connection.execute(
                    "SELECT current_setting('work_mem'), current_setting('application_name'),"
                    " current_setting('default_transaction_read_only')"
                )
            ).fetchone()
    assert row == ("8MB", "mine", "on")


async def test_a_database_without_a_catalog_says_how_to_get_one(postgres: str):
    async with opened(postgres) as catalog:
        error, took = await failure(catalog.ask(QUESTION))
        assert "ocdp catalog migrate" in error.remedy
        assert took < 20
        await migrate(postgres)
        assert await catalog.counter() == 0


async def test_an_older_catalog_says_how_to_bring_it_up_and_a_newer_one_serves(
    catalog_database: CatalogDatabase,
):
    async with opened(catalog_database.reader_dsn) as catalog:
        await _execute(catalog_database, "UPDATE ocdp.schema_version SET version_num = '0000'")
        error, _ = await failure(catalog.counter())
        assert "0000" in error.message
        assert "ocdp catalog migrate" in error.remedy
        await _execute(catalog_database, "UPDATE ocdp.schema_version SET version_num = '9999'")
        assert await catalog.counter() == 0
        await _execute(catalog_database, f"UPDATE ocdp.schema_version SET version_num = '{HEAD}'")


async def test_a_role_without_rights_says_how_to_get_them(catalog_database: CatalogDatabase):
    role = conninfo_to_dict(catalog_database.reader_dsn)["user"]
    async with opened(catalog_database.reader_dsn) as catalog:
        await _execute(catalog_database, f"REVOKE ALL ON ALL TABLES IN SCHEMA ocdp FROM {role}")
        error, _ = await failure(catalog.ask(QUESTION))
    assert "ocdp catalog grant" in error.remedy


async def test_a_wrong_password_is_an_outage_and_is_not_told(
    catalog_database: CatalogDatabase, caplog: pytest.LogCaptureFixture
):
    wrong = make_conninfo(catalog_database.reader_dsn, password="hunter2")
    async with opened(wrong, seconds=3.0) as catalog:
        error, _ = await failure(catalog.counter())
    assert "hunter2" not in error.message
    assert "the password or the user was rejected" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_revision_of_an_unknown_shape_holds_up_its_own_claims_only(catalog_database: CatalogDatabase):
    async with CatalogRegistry.connect(catalog_database.dsn) as registry:
        await registry.apply([pinned(), pinned("litellm")])
    await _execute(
        catalog_database,
        "INSERT INTO ocdp.workload_template_revisions SELECT template_id, 2, template_type, source_type, repository_url,"
        ' ref, path, commit, \'{"mappings": "none"}\' FROM ocdp.workload_template_revisions'
        " WHERE template_id = 'code-server'",
    )
    async with opened(catalog_database.reader_dsn) as catalog:
        with pytest.raises(Waiting) as caught:
            await catalog.ask(QUESTION)
        assert caught.value.dependency is None
        assert "Revision 2 of template code-server" in caught.value.message
        other = await catalog.ask(CatalogQuestion("local", "litellm", "team-a", "team-a", None))
        assert other.newest == 1
        assert (await catalog.ask(CatalogQuestion("local", "code-server", "team-a", "team-a", 1))).newest == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"users": ("a\x00",)},
        {"namespace": "a\x00"},
        {"profiles": (ProfileRef(id="\x00", revision=1),)},
        {"profiles": (ProfileRef(id="local", revision=2**70),)},
    ],
    ids=["user", "namespace", "profile", "revision"],
)
async def test_what_cannot_be_asked_holds_up_its_own_claim_only(
    catalog_database: CatalogDatabase, changes: dict[str, Any]
):
    told = []
    catalog = PostgresCatalog(catalog_database.reader_dsn, asked=lambda answered, _: told.append(answered))
    await catalog.open()
    try:
        with pytest.raises(Waiting) as caught:
            await catalog.ask(replace(QUESTION, **changes))
        assert (caught.value.reason, caught.value.dependency) == (Reason.CATALOG_UNAVAILABLE, None)
        await catalog.ask(QUESTION)
        assert told == [True, True]
    finally:
        await catalog.close()


def test_a_dsn_that_is_none_is_a_wrong_setting_and_is_not_repeated():
    with pytest.raises(SettingsError) as caught:
        PostgresCatalog("postgresql:/me:hunter2@host")
    assert "hunter2" not in str(caught.value)


async def test_after_closing_questions_fail_like_in_an_outage(catalog_database: CatalogDatabase):
    catalog = PostgresCatalog(catalog_database.reader_dsn)
    await failure(catalog.counter())
    await catalog.open()
    await catalog.counter()
    await catalog.close()
    await failure(catalog.counter())


async def _execute(database: CatalogDatabase, statement: str) -> None:
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await connection.execute(statement)


_OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def _end_sessions(database: CatalogDatabase) -> None:
    await _execute(database, f"SELECT pg_terminate_backend(pid) {_OTHERS}")


async def _sessions(database: CatalogDatabase) -> int:
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        row = await (await connection.execute(f"SELECT count(*) {_OTHERS}")).fetchone()
        return int(row[0])
