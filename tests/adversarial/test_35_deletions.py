"""A deletion ends, or names what holds it, whatever is gone, away or in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.adversarial.conftest import Proxied, assert_truthful, refuse_objects
from tests.support.apps import template
from tests.support.world import Team, condition, eventually, inventory

HELD = "example.test/held"


async def _finalizers(team: Team, kind: str, name: str, value: str) -> None:
    patch = f'{{"metadata": {{"finalizers": {value}}}}}'
    await team.platform.kubectl("patch", kind, name, "-n", team.namespace, "--type=merge", "-p", patch)


async def test_35_a_deletion_that_is_held_up_names_the_blocker_and_keeps_the_finalizer(team: Team):
    names = ("held", "kept", "free")
    for name in names:
        await team.claim(name, deletionPolicy="Delete")
    for name in names:
        await team.ready(name)
    await _finalizers(team, "service", "held-web", f'["{HELD}"]')
    async with refuse_objects(team, "DELETE", "services", "kept-web") as rule:
        for name in names:
            await team.delete(name)
        await team.gone("free")

        async def says(name: str, *parts: str) -> bool:
            found = condition(await team.get_claim(name), "Deleting")
            return all(part in found.get("message", "") for part in parts)

        await eventually(lambda: says("held", "Service/held-web", HELD), "the foreign finalizer is named")
        await eventually(lambda: says("kept", "Service/kept-web", rule), "the rule that refuses is named")
        for name in ("held", "kept"):
            found = await team.get_claim(name)
            assert "ocdp.io/cleanup" in found["metadata"]["finalizers"]
            left = {each for each in await team.objects() if each.endswith((f"/{name}-web", f"/{name}-data"))}
            assert f"Service/{name}-web" in left
            assert f"Deployment/{name}-web" not in left  # the waves above went
            assert left <= inventory(found) | {f"Service/{name}-web"}
    await _finalizers(team, "service", "held-web", "[]")
    for name in ("held", "kept"):
        await team.gone(name)
    assert not await team.marked()


@pytest.fixture
async def everything_away(
    postgres_server: EmbeddedPostgres, git_server: GitServer
) -> AsyncIterator[tuple[EmbeddedPostgres, GitServer]]:
    """The catalog's server and the Git server, to be stopped; both run again after the test."""
    yield postgres_server, git_server
    await postgres_server.restart()
    await git_server.restart()


async def test_35_without_catalog_git_and_template_every_claim_goes_also_one_that_was_never_looked_at(
    team: Team, operator: OperatorProcess, everything_away: tuple[EmbeddedPostgres, GitServer]
):
    for name in ("ready", "retained"):
        policy = "RetainData" if name == "retained" else "Delete"
        await team.claim(name, deletionPolicy=policy)
    for name in ("ready", "retained"):
        await team.ready(name)
    await team.platform.publish(template(team.template_id, team.repository_url, disabled=True))
    await operator.stop()
    for server in everything_away:
        await server.stop()
    await team.claim("unseen", deletionPolicy="Delete")
    await team.claim("fresh", deletionPolicy="Delete")
    for name in ("unseen", "ready"):
        await team.delete(name)
    await team.gone("unseen", seconds=5)  # no finalizer was on it yet
    await operator.start()
    await team.until("fresh", "TemplateResolved", "Unknown", "CatalogUnavailable")
    for name in ("fresh", "retained"):
        await team.delete(name)
    for name in ("ready", "fresh", "retained"):
        await team.gone(name)
    assert await team.marked() == {"PersistentVolumeClaim/retained-data", "Secret/retained-credentials"}
    assert not await team.orphans()


async def test_35_a_claim_that_is_deleted_while_it_is_applied_leaves_nothing(team: Team, proxied: Proxied):
    names = {f"at-{part}": part for part in ("serviceaccounts", "services", "deployments", "workloads")}
    deleted: set[str] = set()

    def delete_meanwhile(request: web.Request) -> None:
        for name, part in names.items():
            path = f"/namespaces/{team.namespace}/{part}/{name}"
            if request.method == "PATCH" and path in request.path and name not in deleted:
                deleted.add(name)
                proxied.meanwhile(team, "delete", "wc", name, "--wait=false")

    proxied.proxy.rules.append(delete_meanwhile)
    for name in names:
        await team.claim(name, deletionPolicy="Delete")
    for name in names:
        await team.gone(name)
    assert deleted == set(names)
    assert not await team.marked()


async def test_35_without_the_binding_a_deletion_waits_and_a_namespace_that_goes_takes_it_along(team: Team):
    for name in ("waits", "goes"):
        await team.claim(name, deletionPolicy="Delete")
    for name in ("waits", "goes"):
        await team.ready(name)
    bindings = await team.platform.get("rolebinding", "-n", team.namespace)
    names = [item["metadata"]["name"] for item in bindings["items"]]
    await team.platform.kubectl("delete", "rolebinding", "-n", team.namespace, *names)
    await team.delete("waits")
    found = await team.until("waits", "Deleting", "True", "Forbidden")
    assert "ocdp.io/cleanup" in found["metadata"]["finalizers"]
    assert "Deployment/waits-web" in await team.objects()
    await assert_truthful(team)
    # A child that another hand holds; then the namespace itself.
    await _finalizers(team, "configmap", "kube-root-ca.crt", f'["{HELD}"]')
    await team.platform.kubectl("delete", "namespace", team.namespace, "--wait=false")
    for name in ("waits", "goes"):
        await team.gone(name)
    await _finalizers(team, "configmap", "kube-root-ca.crt", "[]")

    async def gone() -> bool:
        found = await team.platform.get("namespaces")
        return team.namespace not in {item["metadata"]["name"] for item in found["items"]}

    await eventually(gone, "the namespace is gone", seconds=90)
