"""Values of secrets are in Secret objects and nowhere else, whatever happens; and one that leaks anywhere is found."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import yaml
from psycopg import sql

from ocdp_operator.dev.gitserver import BasicAuth, GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from tests.support.canaries import Places, RecordedBuilds
from tests.support.canary_world import (
    Canaries,
    CanaryWorld,
    canary,
    canary_files,
    leave,
    publish,
    values,
    write_credentials,
)
from tests.support.fix_operator import QUICK
from tests.support.world import Team, eventually

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
async def world(
    platform: Platform, session_operator: OperatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CanaryWorld]:
    """The session's operator would see the same claims, so it rests meanwhile."""
    await session_operator.stop()
    tmp = tmp_path_factory.mktemp("canary")
    canaries, role = Canaries(), f"canary_{secrets.token_hex(3)}"
    async with AsyncExitStack() as stack:
        git = await stack.enter_async_context(GitServer.start())
        git.auth = BasicAuth("reader", canaries.new("git"))
        own = replace(platform, git=git, workdir=tmp / "platform")
        (tmp / "platform").mkdir()
        publishers_file, credentials_file = tmp / "publishers.yaml", tmp / "operators.yaml"
        write_credentials(publishers_file, git.origin, git.auth.password)
        publishing = {**own._common_settings(), "credentialsFile": str(publishers_file)}
        own.settings_file.write_text(yaml.safe_dump(publishing))
        async with await psycopg.AsyncConnection.connect(own.dsn, autocommit=True) as connection:
            password = canaries.new("database")
            made = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(password)
            )
            await connection.execute(made)
        await own.ocdp("catalog", "grant", "--role", role)
        builds = await stack.enter_async_context(
            RecordedBuilds.recording(tmp, own.cluster.binaries.kustomize)
        )
        settings = await own.operator_settings(
            **{**QUICK, "resyncSeconds": 5, "logLevel": "debug", "claimMetrics": True},
            kustomize=str(builds.program),
            credentialsFile=str(credentials_file),
        )
        url = urlsplit(own.dsn)
        dsn = urlunsplit(url._replace(netloc=f"{role}:{password}@{url.hostname}:{url.port}"))
        unique = f"canary-{secrets.token_hex(3)}"
        repository = await git.repository(unique)
        team = Team(own, unique, unique, f"web-{unique}", repository, git.url(unique))
        operator = OperatorProcess(tmp / "operator", settings, dsn)
        made_world = CanaryWorld(Places(team, operator, builds), canaries, role, git, credentials_file)
        made_world.let_git_in(canaries.values["git"])
        await own.place(unique, unique)
        await publish(made_world)
        await own.bind(team.template_id, unique)
        await operator.start()
        stack.push_async_callback(operator.stop)
        yield made_world
        await leave(made_world)
    await session_operator.start()


async def test_values_of_secrets_are_found_in_secrets_alone(world: CanaryWorld):
    team, canaries, operator = world.team, world.canaries, world.places.operator
    users = {name: canaries.new(name) for name in ("direct", "copied", "derived")}
    await world.put_secret("upstream", **users)
    await team.claim("ide", values=values())
    await team.ready("ide")
    held = await world.held("ide")
    assert held == {
        "PASSWORD": held["PASSWORD"],
        "COPIED": users["copied"],
        "HEADER": f"Bearer {users['derived']}",
    }
    canaries.values["generated"] = held["PASSWORD"]
    env = (await team.find("deployment", "ide-web") or {})["spec"]["template"]["spec"]["containers"][0]["env"]
    (direct,) = (each["valueFrom"]["secretKeyRef"] for each in env if each["name"] == "DIRECT")
    assert (direct["name"], direct["key"]) == ("upstream", "direct")

    await team.claim("ide", values=values(greeting="changed"))  # an update
    await team.ready("ide")
    await world.put_secret("upstream", **users | {"copied": canaries.new("copied-anew")})
    await eventually(
        lambda: world.holds("ide", "COPIED", canaries.values["copied-anew"]),
        "the copy follows the user's Secret",
    )
    await team.platform.kubectl(
        "annotate", "wc", "ide", "-n", team.namespace, "ocdp.io/rotate-credentials=first"
    )
    await eventually(lambda: world.rotated("ide", "first"), "the rotation is handled")
    canaries.values["rotated"] = (await world.held("ide"))["PASSWORD"]
    assert canaries.values["rotated"] != canaries.values["generated"]

    # Failures: values that the schema refuses, objects that the API server refuses, Git and PostgreSQL that let nobody in.
    refused = canaries.new("inline")
    await team.claim("refused", values={"direct": refused, "copied": {"secretKeyRef": {"name": refused}}})
    await team.until("refused", "Ready", "False", "InvalidValues")
    await team.claim("ide", values=values(port=70000))
    await team.until("ide", "Applied", "False")
    wrong = canaries.new("wrong-git")
    world.let_git_in(wrong)
    await publish(world, description="Another revision, of a commit that the operator has yet to fetch.")
    await team.claim("ide", values=values(), templateRevision=2)
    await team.until("ide", "TemplateResolved", "Unknown", "AuthenticationFailed")
    world.let_git_in(canaries.values["git"])
    await team.ready("ide")
    await world.login(allowed=False)
    await team.claim("ide", values=values(greeting="while the catalog is away"))
    await team.until("ide", "TemplateResolved", "Unknown", "CatalogUnavailable")
    await world.login(allowed=True)
    await team.ready("ide")

    await team.platform.kubectl("delete", "deployment", "ide-web", "-n", team.namespace)  # drift
    await team.platform.kubectl(
        "patch", "secret", "ide-credentials", "-n", team.namespace, "-p", '{"data": {"PASSWORD": "AAAA"}}'
    )
    await eventually(lambda: team.find("deployment", "ide-web"), "the Deployment is there again")
    await team.ready("ide")
    assert await world.places.found(canaries.values) == set()
    await team.delete("ide")
    await team.gone("ide")
    assert await world.places.found(canaries.values) == set()
    assert [line for line in operator.log.read_text().splitlines() if "Traceback" in line] == []


Leak = Callable[[CanaryWorld, str], Awaitable[None]]


async def _into_status(world: CanaryWorld, value: str) -> None:
    await _patch(world, "wc", "leaky", {"status": {"url": value}}, "--subresource=status")


async def _into_an_event(world: CanaryWorld, value: str) -> None:
    involved = {
        "apiVersion": "ocdp.io/v1alpha1",
        "kind": "WorkloadClaim",
        "name": "leaky",
        "namespace": world.team.namespace,
    }
    await _create(world, "v1", "Event", involvedObject=involved, reason="Leak", message=f"with {value}.", type="Normal")  # fmt: skip


async def _into_an_annotation(world: CanaryWorld, value: str) -> None:
    await _patch(world, "deployment", "leaky-web", {"metadata": {"annotations": {"note": f"a {value} b"}}})


async def _into_managed_fields(world: CanaryWorld, value: str) -> None:
    await _create(world, "v1", "ConfigMap", data={value: "a key is a field that somebody manages"})


async def _into_an_object(world: CanaryWorld, value: str) -> None:
    encoded = base64.b64encode(f"Bearer {value}".encode()).decode()
    await _create(world, "v1", "ConfigMap", data={"token": f"amid {encoded} text"})


async def _into_the_log(world: CanaryWorld, value: str) -> None:
    with world.places.operator.log.open("a") as log:
        log.write(json.dumps({"event": "fetched", "url": f"https://reader:{value}@git.example.test"}) + "\n")


async def _into_a_metric(world: CanaryWorld, value: str) -> None:
    await world.team.claim(value)
    await world.team.ready(value)


async def _into_a_command(world: CanaryWorld, value: str) -> None:
    await world.places.say("template", "get", value)


async def _into_a_temporary_file(world: CanaryWorld, value: str) -> None:
    await world.team.claim("leaky", values={"greeting": value})
    await eventually(lambda: _is_built(world, value), "it was built")


async def _into_the_work_directory(world: CanaryWorld, value: str) -> None:
    (world.places.operator.work / "left").write_bytes(base64.b64encode(value.encode()))


async def _into_a_mirror(world: CanaryWorld, value: str) -> None:
    await publish(world, files=canary_files() | {"web/base/settings.yaml": f"greeting: {value}\n".encode()})
    newest = {"templateRevision": (await _revision(world)) + 1}
    await world.team.claim("leaky", **newest)
    await eventually(lambda: _is_built(world, value), "it was fetched")


async def _into_a_preview(world: CanaryWorld, value: str) -> None:
    await world.team.claim("leaky", values={"greeting": value})


async def _into_the_catalog(world: CanaryWorld, value: str) -> None:
    await publish(world, title=f"A title with {value}")


async def _is_built(world: CanaryWorld, value: str) -> bool:
    return value.encode() in world.places.builds.text


async def _patch(world: CanaryWorld, kind: str, name: str, patch: dict[str, Any], *flags: str) -> None:
    where = ("-n", world.team.namespace, "--type=merge", "-p", json.dumps(patch))
    await world.team.platform.kubectl("patch", kind, name, *where, *flags)


async def _create(world: CanaryWorld, version: str, kind: str, **body: Any) -> None:
    metadata = {"generateName": "leak-", "namespace": world.team.namespace}
    whole = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
    await world.team.platform.kubectl("create", "-f", "-", stdin=json.dumps(whole))


async def _revision(world: CanaryWorld) -> int:
    return int((await world.team.get_claim("leaky"))["status"]["template"]["revision"])


LEAKS: dict[str, tuple[Leak, bool]] = {
    "status": (_into_status, False),
    "events": (_into_an_event, False),
    "annotations": (_into_an_annotation, False),
    "managed fields": (_into_managed_fields, False),
    "objects": (_into_an_object, False),
    "log": (_into_the_log, False),
    "metrics": (_into_a_metric, True),
    "commands": (_into_a_command, False),
    "temporary files": (_into_a_temporary_file, True),
    "work directory": (_into_the_work_directory, False),
    "mirrors": (_into_a_mirror, True),
    "previews": (_into_a_preview, True),
    "catalog": (_into_the_catalog, False),
}
"""Place -> what brings a value there, and whether the operator must work for that; else it would put things right again."""


async def test_a_value_that_is_planted_anywhere_is_found(world: CanaryWorld):
    """The search that finds nothing above would find each of them."""
    planted, places = {place: canary("leak") for place in LEAKS}, world.places
    if not places.operator.running:
        await places.operator.start()
    await world.team.claim("leaky", values={"greeting": "hello"})
    await world.team.ready("leaky")
    before = await places.found(planted)
    await plant(world, planted, works=True)
    found = await places.found(planted)
    await places.operator.stop()
    await plant(world, planted, works=False)
    found |= await places.found(planted)

    assert before == set()
    assert {(place, place) for place in LEAKS} - found == set()
    assert (await places.texts()).keys() == LEAKS.keys()


async def plant(world: CanaryWorld, planted: dict[str, str], *, works: bool) -> None:
    for place, (leak, needs_the_operator) in LEAKS.items():
        if needs_the_operator is works:
            await leak(world, planted[place])
