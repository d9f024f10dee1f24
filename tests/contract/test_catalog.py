"""The ``Catalog`` port and the writes that fill it, held against the fake and PostgreSQL's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.adapters.catalog.store import PostgresCatalog
from ocdp_operator.model.profile import Layer, ProfileRef
from ocdp_operator.model.publication import (
    Action,
    BindingEntry,
    Change,
    ClusterEntry,
    PublicationError,
    Storable,
)
from ocdp_operator.model.template import CatalogAnswer, CatalogQuestion, Placement
from ocdp_operator.reconcile.ports import Catalog
from tests.support.catalog_entries import COMMIT, OTHER_COMMIT, binding, pinned, profile, workspace
from tests.support.fakes_catalog import FakeCatalog
from tests.support.fix_postgres import CatalogDatabase


class Writer(Protocol):
    async def apply(self, items: Sequence[Storable]) -> tuple[Change, ...]: ...


@dataclass
class World:
    """A catalog, and the writes that fill it."""

    catalog: Catalog
    writer: Writer

    async def store(self, *items: Storable) -> list[Action]:
        return [change.action for change in await self.writer.apply(items)]

    async def ask(
        self,
        template: str = "code-server",
        workspace_id: str = "team-a",
        namespace: str = "team-a",
        *,
        revision: int | None = None,
        cluster: str = "local",
        **more: Any,
    ) -> CatalogAnswer:
        return await self.catalog.ask(
            CatalogQuestion(cluster, template, workspace_id, namespace, revision, **more)
        )


@pytest.fixture
def fake_world() -> World:
    fake = FakeCatalog()
    return World(fake, fake)


@pytest.fixture
async def postgres_world(catalog_database: CatalogDatabase) -> AsyncIterator[World]:
    catalog = PostgresCatalog(catalog_database.reader_dsn)
    await catalog.open()
    async with CatalogRegistry.connect(catalog_database.dsn) as registry:
        yield World(catalog, registry)
    await catalog.close()


@pytest.fixture(params=["fake_world", "postgres_world"], ids=["fake", "postgresql"])
def world(request: pytest.FixtureRequest) -> World:
    return request.getfixturevalue(request.param)


LOCAL = ClusterEntry(id="local")


async def test_an_empty_catalog_knows_nothing(world: World):
    assert await world.ask() == CatalogAnswer(counter=0)


async def test_a_complete_offer_is_answered_completely(world: World):
    await world.store(LOCAL, pinned(), workspace("team-a", "team-a"), binding())
    answer = await world.ask()
    assert answer.template_exists
    assert answer.granted
    assert not answer.disabled
    assert answer.placement == Placement("team-a", "acme", "team-a")
    assert answer.namespace_workspace == "team-a"
    assert answer.newest == 1
    assert answer.revision is not None
    assert answer.revision.revision == 1
    assert answer.revision.source.commit == COMMIT
    assert answer.revision.body == pinned().entry.body


async def test_the_newest_revision_is_the_answer_where_none_is_named(world: World):
    await world.store(pinned(), pinned(commit=OTHER_COMMIT))
    answer = await world.ask()
    assert (answer.revision.revision, answer.revision.source.commit) == (2, OTHER_COMMIT)


async def test_a_named_revision_is_the_answer_beside_the_newest_number(world: World):
    await world.store(pinned(), pinned(commit=OTHER_COMMIT))
    answer = await world.ask(revision=1)
    assert (answer.revision.revision, answer.revision.source.commit, answer.newest) == (1, COMMIT, 2)


@pytest.mark.parametrize("revision", [3, 2**40])
async def test_an_unknown_revision_is_absent_and_the_newest_is_still_told(world: World, revision: int):
    await world.store(pinned())
    answer = await world.ask(revision=revision)
    assert answer.template_exists
    assert answer.revision is None
    assert answer.newest == 1


async def test_a_binding_grants_one_template_to_one_workspace(world: World):
    await world.store(LOCAL, pinned(), pinned("litellm"), workspace("team-a"), workspace("team-b"), binding())
    assert (await world.ask()).granted
    assert not (await world.ask(workspace_id="team-b")).granted
    assert not (await world.ask("litellm")).granted


@pytest.mark.parametrize("subject", [{"user": "ada"}, {"group": "staff"}], ids=["user", "group"])
async def test_a_binding_of_a_user_or_group_grants_the_workspace_nothing(
    world: World, subject: dict[str, str]
):
    await world.store(pinned(), workspace("team-a"), BindingEntry(template="code-server", **subject))
    assert not (await world.ask(users=("ada",), groups=("staff",))).granted


async def test_the_asked_users_and_groups_that_a_binding_names_are_told(world: World):
    bound = [{"user": "ada"}, {"user": "eve"}, {"user": "bob", "disabled": True}]
    bound += [{"group": "staff"}, {"group": "root"}, {"group": "ada"}]
    await world.store(
        pinned(), pinned("litellm"), *(BindingEntry(template="code-server", **subject) for subject in bound)
    )
    asked = {"users": ("ada", "bob", "carol", "staff"), "groups": ("staff", "guests")}
    answer = await world.ask(**asked)
    assert answer.granted_users == {"ada"}
    assert answer.granted_groups == {"staff"}
    other = await world.ask("litellm", **asked)
    assert not other.granted_users | other.granted_groups
    nobody = await world.ask()
    assert not nobody.granted_users | nobody.granted_groups


async def test_a_disabled_binding_grants_nothing_until_it_is_enabled_again(world: World):
    await world.store(pinned(), workspace("team-a"), binding(), binding(disabled=True))
    assert not (await world.ask()).granted
    await world.store(binding())
    assert (await world.ask()).granted


async def test_a_disabled_template_is_still_there_with_its_revisions(world: World):
    await world.store(pinned(), pinned(disabled=True))
    answer = await world.ask()
    assert answer.template_exists
    assert answer.disabled
    assert answer.newest == 1


async def test_a_disabled_workspace_is_placed_nowhere_and_granted_nothing(world: World):
    await world.store(LOCAL, pinned(), workspace("team-a", "team-a"), binding())
    await world.store(workspace("team-a", disabled=True))
    answer = await world.ask()
    assert answer.placement is None
    assert not answer.granted
    assert answer.namespace_workspace == "team-a"


async def test_a_disabled_placement_places_nothing_and_its_namespace_stays_its_workspaces(world: World):
    await world.store(LOCAL, workspace("team-a", "old"), workspace("team-a", "-old", "new"))
    answer = await world.ask(namespace="old")
    assert answer.placement == Placement("team-a", "acme", "new")
    assert answer.namespace_workspace == "team-a"


async def test_a_placement_counts_in_its_own_cluster_only(world: World):
    await world.store(LOCAL, ClusterEntry(id="far"), workspace("team-a", "team-a", cluster="far"))
    here = await world.ask()
    assert here.placement is None
    assert here.namespace_workspace is None
    assert (await world.ask(cluster="far")).placement is not None


async def test_in_a_disabled_cluster_nothing_is_placed(world: World):
    await world.store(LOCAL, workspace("team-a", "team-a"), ClusterEntry(id="local", disabled=True))
    answer = await world.ask()
    assert answer.placement is None
    assert answer.namespace_workspace == "team-a"


async def test_the_workspace_of_the_asked_namespace_is_told_beside_the_asked_workspaces_own(world: World):
    await world.store(LOCAL, workspace("team-a", "a"), workspace("team-b", "b"))
    answer = await world.ask(namespace="b")
    assert answer.placement.namespace == "a"
    assert answer.namespace_workspace == "team-b"


async def test_the_counter_grows_with_every_write_and_with_nothing_else(world: World):
    counters = [await world.catalog.counter()]
    for items in (
        [LOCAL],
        [profile(storageClass="a")],
        [profile(storageClass="a", disabled=True)],
        [profile(storageClass="b")],
        [workspace("team-a", "team-a")],
        [pinned()],
        [binding()],
        [binding(disabled=True)],
        [pinned(title="Editor")],
        [pinned(commit=OTHER_COMMIT)],
    ):
        await world.store(*items)
        counters.append(await world.catalog.counter())
    assert counters == sorted(set(counters))
    await world.store(
        LOCAL,
        profile(storageClass="b"),
        workspace("team-a", "team-a"),
        binding(disabled=True),
        pinned(commit=OTHER_COMMIT),
    )
    assert await world.catalog.counter() == counters[-1]
    assert (await world.ask()).counter == counters[-1]


async def test_publishing_the_same_again_makes_no_revision(world: World):
    assert await world.store(pinned()) == [Action.PUBLISHED]
    assert await world.store(pinned()) == [Action.UNCHANGED]
    assert (await world.ask()).newest == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"commit": OTHER_COMMIT},
        {"examples": [{}]},
        {"credentialsSecret": "login"},
        {"schema": {"type": "object", "properties": {"exposure": {"enum": ["ingress", "clusterip"]}}}},
        {"defaults": {"deletionPolicy": "Delete"}},
    ],
    ids=["commit", "examples", "secret", "schema", "defaults"],
)
async def test_any_other_content_makes_the_next_revision(world: World, changes: dict):
    await world.store(pinned())
    assert await world.store(pinned(**changes)) == [Action.PUBLISHED]
    assert (await world.ask()).newest == 2


async def test_going_back_to_older_content_makes_a_revision_too(world: World):
    await world.store(pinned(), pinned(commit=OTHER_COMMIT), pinned())
    assert (await world.ask()).newest == 3


async def test_a_new_title_alone_makes_no_revision(world: World):
    await world.store(pinned())
    assert await world.store(pinned(title="Editor")) == [Action.CHANGED]
    assert (await world.ask()).newest == 1


async def test_values_keep_their_types_and_null(world: World):
    body = {
        "schema": {
            "type": "object",
            "properties": {"a": {"default": None}, "b": {"enum": [1, 1.5, True, "1", None]}},
        },
        "examples": [{"a": None, "b": 1.5}, {"b": True}, {"b": "1"}],
        "mappings": [],
    }
    await world.store(pinned(**body))
    stored = (await world.ask()).revision.body
    assert repr(stored.values_schema["properties"]["b"]["enum"]) == "[1, 1.5, True, '1', None]"
    assert stored == pinned(**body).entry.body


REFUSED = {
    "a binding to an unknown template": [workspace("team-b"), binding("nothing", "team-b")],
    "a binding to an unknown workspace": [binding("code-server", "nobody")],
    "a placement in an unknown cluster": [workspace("team-b", "b", cluster="nowhere")],
    "a namespace of another workspace": [workspace("team-b", "team-a")],
    "a namespace of another workspace, even a disabled one": [workspace("team-b", "gone")],
    "a placement that moves": [workspace("team-a", "elsewhere")],
    "a profile of an unknown cluster": [profile("far", cluster="nowhere")],
    "a profile of an unknown workspace": [profile("nobody", workspace="nobody")],
    "a second profile of a cluster": [profile("first"), profile("second")],
    "a profile that changes its subject": [
        profile("acme", customer="acme"),
        profile("acme", cluster="local"),
    ],
}


@pytest.mark.parametrize("items", REFUSED.values(), ids=REFUSED.keys())
async def test_what_does_not_fit_the_catalog_is_refused_and_nothing_of_it_is_stored(
    world: World, items: list[Storable]
):
    await world.store(LOCAL, pinned(), workspace("team-a", "-gone", "team-a"))
    before = await world.catalog.counter()
    with pytest.raises(PublicationError):
        await world.store(ClusterEntry(id="another"), *items)
    assert await world.catalog.counter() == before


async def test_a_placement_that_an_entry_leaves_out_stays(world: World):
    await world.store(LOCAL, workspace("team-a", "team-a"), workspace("team-a"))
    assert (await world.ask()).placement is not None


LAYERS = (
    profile("z-cluster", labels={"a": "1"}),
    profile("y-customer", customer="acme", storageClass=None),
    profile("x-workspace", workspace="team-a"),
)


def refs(answer: CatalogAnswer) -> list[str]:
    return [str(each.ref) for each in answer.profiles]


async def test_the_newest_profiles_come_in_the_order_of_the_layers(world: World):
    await world.store(LOCAL, workspace("team-a", "team-a"), *reversed(LAYERS))
    answer = await world.ask()
    assert refs(answer) == ["z-cluster@1", "y-customer@1", "x-workspace@1"]
    assert [str(ref) for ref in answer.newest_profiles] == refs(answer)
    assert [each.layer for each in answer.profiles] == list(Layer)
    assert [each.body for each in answer.profiles] == [{"labels": {"a": "1"}}, {"storageClass": None}, {}]


async def test_a_profile_is_of_its_own_subject_alone(world: World):
    await world.store(
        LOCAL, ClusterEntry(id="far"), workspace("team-a"), workspace("team-b", customer="other")
    )
    await world.store(*LAYERS, profile("far", cluster="far"), profile("other", customer="other"))
    assert refs(await world.ask(workspace_id="team-b")) == ["z-cluster@1", "other@1"]
    assert refs(await world.ask(cluster="far")) == ["far@1", "y-customer@1", "x-workspace@1"]
    assert refs(await world.ask(cluster="nowhere", workspace_id="nobody")) == []


async def test_named_profile_revisions_are_the_answer_beside_the_newest(world: World):
    await world.store(LOCAL, workspace("team-a"), *LAYERS, profile("z-cluster", labels={"a": "2"}))
    asked = (ProfileRef(id="x-workspace", revision=1), ProfileRef(id="z-cluster", revision=1))
    answer = await world.ask(profiles=asked)
    assert refs(answer) == ["z-cluster@1", "x-workspace@1"]
    assert answer.profiles[0].body == {"labels": {"a": "1"}}
    assert [str(ref) for ref in answer.newest_profiles] == ["z-cluster@2", "y-customer@1", "x-workspace@1"]
    nothing = await world.ask(profiles=())
    assert nothing.profiles == ()
    assert nothing.newest_profiles == answer.newest_profiles


async def test_a_named_profile_revision_that_is_unknown_is_absent(world: World):
    await world.store(LOCAL, workspace("team-a"), *LAYERS)
    asked = (ProfileRef(id="z-cluster", revision=2**40), ProfileRef(id="gone", revision=1))
    assert (await world.ask(profiles=asked)).profiles == ()


async def test_a_disabled_profile_is_given_to_nobody_anew_and_can_still_be_named(world: World):
    await world.store(
        LOCAL, workspace("team-a"), *LAYERS, profile("z-cluster", labels={"a": "1"}, disabled=True)
    )
    answer = await world.ask()
    assert refs(answer) == ["y-customer@1", "x-workspace@1"]
    named = await world.ask(profiles=(ProfileRef(id="z-cluster", revision=1),))
    assert refs(named) == ["z-cluster@1"]
    assert named.newest_profiles == answer.newest_profiles


async def test_after_one_is_disabled_another_profile_takes_its_place(world: World):
    await world.store(LOCAL, profile("first", disabled=True), profile("second"))
    assert refs(await world.ask()) == ["second@1"]
    with pytest.raises(PublicationError):
        await world.store(profile("first"))


async def test_publishing_the_same_profile_again_makes_no_revision(world: World):
    await world.store(LOCAL)
    said = {"labels": {"a": "1", "b": None}, "storageClass": None}
    assert await world.store(profile(**said)) == [Action.PUBLISHED]
    assert await world.store(profile(**dict(reversed(said.items())))) == [Action.UNCHANGED]
    assert await world.store(profile(**said, disabled=True)) == [Action.CHANGED]
    assert await world.store(profile(**said)) == [Action.CHANGED]
    assert await world.store(profile(labels={"a": "1"})) == [Action.PUBLISHED]
    assert [str(ref) for ref in (await world.ask()).newest_profiles] == ["local@2"]
