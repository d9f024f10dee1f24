"""Writes of the platform team against a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from psycopg import AsyncConnection

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.errors import Waiting
from ocdp_operator.model.publication import Action, BindingEntry, ClusterEntry, PublicationError
from tests.support.catalog_entries import COMMIT, OTHER_COMMIT, binding, pinned, profile, workspace


async def test_publishing_at_once_gives_distinct_numbers_without_gaps(catalog_dsn: str):
    async def publish(number: int) -> None:
        async with CatalogRegistry.connect(catalog_dsn) as registry:
            await registry.apply([pinned(commit=f"{number:040x}")])

    await asyncio.gather(*(publish(number) for number in range(10)))
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        revisions = [entry.published.revision for entry in await registry.revisions("code-server")]
    assert revisions == list(range(10, 0, -1))


async def test_the_same_published_at_once_is_one_revision(catalog_dsn: str):
    async def publish() -> Action:
        async with CatalogRegistry.connect(catalog_dsn) as registry:
            return (await registry.apply([pinned()]))[0].action

    actions = await asyncio.gather(*(publish() for _ in range(6)))
    assert sorted(actions) == sorted([Action.PUBLISHED] + [Action.UNCHANGED] * 5)


async def test_writers_of_different_rows_do_not_lock_each_other_out(catalog_dsn: str):
    async def fill(number: int) -> None:
        async with CatalogRegistry.connect(catalog_dsn) as registry:
            items = [
                ClusterEntry(id=f"c{number}"),
                pinned(f"t{number}"),
                workspace(f"w{number}", "ns", cluster=f"c{number}"),
            ]
            await registry.apply(items if number % 2 else items[:2])

    await asyncio.gather(*(fill(number) for number in range(8)))
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        assert len(await registry.clusters()) == 8


async def test_what_is_listed_is_what_was_stored(catalog_dsn: str):
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        entries = [ClusterEntry(id="local"), workspace("team-a", "-old", "team-a"), workspace("team-b")]
        bindings = [binding(), BindingEntry(template="code-server", user="ada", disabled=True)]
        await registry.apply([*entries, pinned(title="Editor"), pinned(commit=OTHER_COMMIT), *bindings])
        assert await registry.clusters() == (entries[0],)
        assert [each.id for each in await registry.workspaces()] == ["team-a", "team-b"]
        assert {(p.namespace, p.disabled) for p in (await registry.workspaces())[0].placements} == {
            ("old", True),
            ("team-a", False),
        }
        assert await registry.bindings() == tuple(bindings)
        newest = (await registry.templates())[0]
        assert (newest.published.revision, newest.published.commit) == (2, OTHER_COMMIT)
        assert newest.published.published_by == "postgres"
        first = await registry.template("code-server", 1)
        assert first.published.commit == COMMIT
        assert first.body == pinned().entry.body
        assert (await registry.placement("team-a", "local")).namespace == "team-a"


MISSING: dict[str, Callable[[CatalogRegistry], Awaitable[object]]] = {
    "a template": lambda registry: registry.template("nothing"),
    "a revision": lambda registry: registry.template("code-server", 7),
    "a placement": lambda registry: registry.placement("team-a", "local"),
}


@pytest.mark.parametrize("look_up", MISSING.values(), ids=MISSING.keys())
async def test_what_is_not_there_is_told_with_a_remedy(
    catalog_dsn: str, look_up: Callable[[CatalogRegistry], Awaitable[object]]
):
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        await registry.apply([pinned()])
        with pytest.raises(PublicationError) as caught:
            await look_up(registry)
    assert caught.value.remedy


async def test_a_namespace_of_another_workspace_is_named_with_its_owner(catalog_dsn: str):
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        await registry.apply([ClusterEntry(id="local"), workspace("team-a", "shared")])
        with pytest.raises(PublicationError, match="was given to workspace team-a"):
            await registry.apply([workspace("team-b", "shared")])


async def test_a_moving_placement_says_how_to_give_the_old_one_up(catalog_dsn: str):
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        await registry.apply([ClusterEntry(id="local"), workspace("team-a", "old")])
        with pytest.raises(PublicationError) as caught:
            await registry.apply([workspace("team-a", "new")])
        assert "namespace: old, disabled: true" in caught.value.remedy
        await registry.apply([workspace("team-a", "-old", "new")])
        assert (await registry.placement("team-a", "local")).namespace == "new"


async def test_a_reader_is_told_that_it_may_not_write(reader_dsn: str):
    async with CatalogRegistry.connect(reader_dsn) as registry:
        assert await registry.templates() == ()
        with pytest.raises(PublicationError, match="may not write"):
            await registry.apply([ClusterEntry(id="local")])


async def test_a_database_without_a_catalog_says_how_to_get_one(postgres: str):
    with pytest.raises(PublicationError) as caught:
        async with CatalogRegistry.connect(postgres):
            pass
    assert "ocdp catalog migrate" in caught.value.remedy


async def test_a_connection_that_the_server_ended_is_a_dependency_that_is_away(catalog_dsn: str):
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        async with await AsyncConnection.connect(catalog_dsn, autocommit=True) as other:
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(Waiting):
            await registry.apply([ClusterEntry(id="local")])


async def test_a_profile_is_listed_as_it_was_published(catalog_dsn: str):
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        entries = [
            profile("z", storageClass="a", labels={"x": None}),
            profile("y", customer="acme", ingress={"tls": {}, "class": None}),
            profile("x", workspace="team-a", tolerations=[{"key": "a", "operator": "Exists"}]),
        ]
        await registry.apply([ClusterEntry(id="local"), workspace("team-a"), *entries])
        await registry.apply([profile("z", storageClass=None)])
        listed = await registry.profiles()
        assert [(each.id, *each.subject, each.published.revision) for each in listed] == [
            ("z", "cluster", "local", 2),
            ("y", "customer", "acme", 1),
            ("x", "workspace", "team-a", 1),
        ]
        assert [each.body for each in listed[1:]] == [each.body for each in entries[1:]]
        assert [each.published.revision for each in await registry.profile_revisions("z")] == [2, 1]
        assert (await registry.profile("z", 1)).body == entries[0].body
        assert [change.action for change in await registry.apply(listed)] == [Action.UNCHANGED] * 3


async def test_a_subject_that_has_a_profile_is_told_which_one(catalog_dsn: str):
    async with CatalogRegistry.connect(catalog_dsn) as registry:
        await registry.apply([ClusterEntry(id="local"), profile("first")])
        with pytest.raises(PublicationError, match="Cluster local has the profile first already") as refused:
            await registry.apply([profile("second")])
        assert "ocdp profile disable first" in refused.value.remedy
