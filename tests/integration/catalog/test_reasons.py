"""What a real catalog answers, and the reason that a claim is refused with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.adapters.catalog.store import PostgresCatalog
from ocdp_operator.adapters.expressions import CelExpressions
from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.claim import Identity, WorkloadClaim
from ocdp_operator.model.publication import BindingEntry, ClusterEntry, Storable
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.resolve import question, resolve
from ocdp_operator.reconcile.rendering import with_mappings
from tests.support import builders
from tests.support.catalog_entries import binding, declared, pinned, profile, workspace
from tests.support.fix_postgres import CatalogDatabase


@pytest.fixture
async def catalog(catalog_database: CatalogDatabase) -> AsyncIterator[PostgresCatalog]:
    """As the operator reads it, with one offer in it."""
    opened = PostgresCatalog(catalog_database.reader_dsn, seconds=5.0)
    await opened.open()
    await store(
        catalog_database,
        ClusterEntry(id="local"),
        workspace(builders.WORKSPACE, builders.NAMESPACE),
        pinned(),
        binding(workspace_id=builders.WORKSPACE),
    )
    yield opened
    await opened.close()


async def store(database: CatalogDatabase, *entries: Storable) -> None:
    async with CatalogRegistry.connect(database.dsn) as registry:
        await registry.apply(entries)


async def refusal(
    catalog: PostgresCatalog, claim: WorkloadClaim, *, succeeded_before: bool = False, stamps: bool = True
) -> Stalled:
    answer = await catalog.ask(question(claim, "local"))
    with pytest.raises(Stalled) as caught:
        resolve(claim, answer, succeeded_before=succeeded_before, stamps_count=stamps)
    return caught.value


async def test_an_offer_that_was_taken_back_stops_a_claim_that_ran(
    catalog: PostgresCatalog, catalog_database: CatalogDatabase
):
    await store(catalog_database, binding(workspace_id=builders.WORKSPACE, disabled=True))
    error = await refusal(catalog, builders.claim(), succeeded_before=True)
    assert error.reason is Reason.ACCESS_REVOKED


async def test_a_disabled_template_takes_no_new_claim(
    catalog: PostgresCatalog, catalog_database: CatalogDatabase
):
    await store(catalog_database, pinned(disabled=True))
    assert (await refusal(catalog, builders.claim())).reason is Reason.TEMPLATE_DISABLED


async def test_a_revision_that_was_never_published_is_refused(catalog: PostgresCatalog):
    error = await refusal(catalog, builders.claim(template_revision=99))
    assert error.reason is Reason.REVISION_NOT_FOUND


async def test_a_binding_to_somebody_unproven_is_refused_by_that_reason(
    catalog: PostgresCatalog, catalog_database: CatalogDatabase
):
    alice = Identity(username="alice")
    await store(
        catalog_database,
        binding(workspace_id=builders.WORKSPACE, disabled=True),
        BindingEntry(template="code-server", user="alice"),
    )
    claim = builders.claim(requested_by=alice, changed_by=alice)
    error = await refusal(catalog, claim, stamps=False)
    assert error.reason is Reason.IDENTITY_UNVERIFIED


HOST = {"patch": {"kind": "Ingress", "name": "ide", "pointer": "/spec/rules/0/host"}}
FROM_PROFILE = declared(type="string", **{"x-ocdp": {"from": "profile.ingress.domain", "readonly": True}})
NEEDS_DOMAIN: dict[str, dict[str, Any]] = {
    "a mapping": {"mappings": [{"from": "profile.ingress.domain"} | HOST]},
    "an expression": {"mappings": [{"value": "'ide.' + profile.ingress.domain"} | HOST]},
    "a condition": {
        "mappings": [{"value": "'ide.test'", "when": "profile.ingress.domain.endsWith('test')"} | HOST]
    },
    "a property": {
        "schema": {"type": "object", "required": ["domain"], "properties": {"domain": FROM_PROFILE}},
        "mappings": [{"from": "values.domain"} | HOST],
    },
}


async def bound(catalog: PostgresCatalog) -> ResolvedWorkload:
    claim = builders.claim()
    answer = await catalog.ask(question(claim, "local"))
    async with CelExpressions() as expressions:
        return await with_mappings(expressions, resolve(claim, answer, succeeded_before=False))


@pytest.mark.parametrize("needs", NEEDS_DOMAIN.values(), ids=NEEDS_DOMAIN.keys())
async def test_a_field_that_no_profile_has_is_named(
    catalog: PostgresCatalog, catalog_database: CatalogDatabase, needs: dict[str, Any]
):
    await store(
        catalog_database,
        pinned(**{"components": [], "examples": [{}]} | needs),
        profile(storageClass="fast", ingress={"class": "nginx"}),
    )
    with pytest.raises(Stalled, match=r"profile\.ingress\.domain") as caught:
        await bound(catalog)
    assert caught.value.reason is Reason.PROFILE_INCOMPLETE
    assert caught.value.actor is Actor.PLATFORM

    await store(catalog_database, profile(ingress={"domain": "apps.test"}))
    (host,) = (await bound(catalog)).bound
    assert host.value in {"apps.test", "ide.apps.test", "ide.test"}
