"""``ocdp render``, ``diff`` and ``explain`` on a real control plane: what they say is what the operator does."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import claim
from tests.support.commands import Ended, Ocdp
from tests.support.world import Team, eventually


@pytest.fixture
async def preview(team: Team, tmp_path: Path) -> Preview:
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(await team.platform.operator_settings()))
    return Preview(team, Ocdp(team.platform.cluster.kubeconfig, team.namespace, tmp_path), settings)


class Preview:
    """The three commands as a platform person calls them, and everything that they ever printed."""

    def __init__(self, team: Team, ocdp: Ocdp, settings: Path) -> None:
        self.team, self.ocdp, self.settings = team, ocdp, settings
        self.printed: list[str] = []

    async def __call__(self, *arguments: str, stdin: str = "") -> Ended:
        ended = await self.ocdp(
            *arguments,
            "-n",
            self.team.namespace,
            stdin=stdin,
            OCDP_CATALOG_DSN=self.team.platform.dsn,
            OCDP_SETTINGS=str(self.settings),
        )
        self.printed += [ended.out, ended.err]
        assert "Traceback" not in ended.err, ended.err
        return ended

    async def json(self, *arguments: str, stdin: str = "") -> Any:
        ended = await self(*arguments, "-o", "json", stdin=stdin)
        assert ended.code in (0, 1), ended.err
        return json.loads(ended.out)


def by_object(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["object"]: each for each in documents}


async def test_a_preview_shows_what_will_be_and_the_operator_makes_just_that(team: Team, preview: Preview):
    asked = yaml.safe_dump(
        claim("ide", team.namespace, team.template_id, team.workspace, values={"greeting": "hi"})
    )
    rendered = await preview.json("render", "-f", "-", stdin=asked)
    before = by_object(await preview.json("diff", "-f", "-", stdin=asked))
    assert {each["change"] for each in before.values()} == {"created"}
    assert (await preview("diff", "-f", "-", stdin=asked)).code == 1

    await team.claim("ide", values={"greeting": "hi"})
    made = await team.ready("ide")
    live = await team.objects()
    marked = await team.marked() - {"Workload/ide"}
    assert {f"{each['kind']}/{each['metadata']['name']}" for each in rendered} == marked
    assert set(before) == marked

    after = await preview("diff", "ide")
    assert (after.code, after.out) == (0, f"{len(before)} unchanged\n")
    deployment = next(each for each in rendered if each["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] == live["Deployment/ide-web"]["spec"]["replicas"]

    secret = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    value = base64.b64decode(secret["data"]["PASSWORD"]).decode()
    await preview("render", "ide")
    await preview("explain", "ide", "-o", "yaml")
    await preview("explain", "ide", "secret")
    await preview("diff", "ide", "--set", "greeting=other", "-o", "yaml")
    for text in preview.printed:
        assert value not in text
        assert secret["data"]["PASSWORD"] not in text
    assert made["metadata"]["generation"] == (await team.get_claim("ide"))["metadata"]["generation"]


async def test_a_changed_object_shows_until_the_operator_put_it_right(
    team: Team, preview: Preview, operator: OperatorProcess
):
    await team.claim("ide")
    await team.ready("ide")
    await operator.stop()
    patch = (
        '{"spec": {"replicas": 3, "template": {"metadata": {"labels": {"app.kubernetes.io/name": "web"}}}}}'
    )
    await team.platform.kubectl(
        "patch", "deployment", "ide-web", "-n", team.namespace, "--type=merge", "-p", patch
    )
    await team.platform.kubectl("delete", "service", "ide-web", "-n", team.namespace)

    table = await preview("diff", "ide")
    assert table.code == 1
    commit = (await team.get_claim("ide"))["status"]["template"]["commit"]
    assert f"  /spec/replicas   base: web/base/deployment.yaml@{commit[:12]}\n    - 3\n    + 1\n" in table.out
    found = by_object(await preview.json("diff", "ide"))
    assert found["Service/ide-web"]["change"] == "created"
    assert {name for name, each in found.items() if each["change"] == "configured"} == {"Deployment/ide-web"}

    await operator.start()

    async def nothing_differs() -> bool:
        return (await preview("diff", "ide")).code == 0

    await eventually(nothing_differs, "nothing differs", every=1.0)


async def test_values_and_revisions_are_tried_without_making_them(team: Team, preview: Preview):
    await team.claim("ide", values={"greeting": "hi", "guarded": "yes"})
    await team.ready("ide")
    shown = by_object(
        await preview.json("diff", "ide", "--set", "greeting=hello there", "--set", "guarded=no")
    )
    changed = {name: each["change"] for name, each in shown.items() if each["change"] != "unchanged"}
    config = next(name for name in changed if name.startswith("ConfigMap/"))
    assert changed == {
        config: "configured",
        "Deployment/ide-web": "configured",
        "NetworkPolicy/ide-web": "deleted",
    }
    assert "replaces ConfigMap/ide-web-config-" in shown[config]["note"]
    greeting = next(each for each in shown[config]["fields"] if each["field"].startswith("/data/"))
    assert greeting["field"] == "/data/settings.yaml#/greeting"
    assert (greeting["old"], greeting["new"]) == ("hi", "hello there")
    assert (greeting["setBy"], greeting["layer"]["source"]) == ("mapping", "values.greeting")
    (volume,) = shown["Deployment/ide-web"]["fields"]
    assert (volume["setBy"], volume["from"]) == ("generated", "content hash")

    unknown = await preview("render", "ide", "--revision", "7")
    assert unknown.code == 1
    assert "has no revision 7" in unknown.err
    refused = await preview("diff", "ide", "--set", "greeting=1")
    assert refused.code == 2
    assert "/greeting" in refused.err


async def test_what_the_api_server_would_refuse_is_said(team: Team, preview: Preview):
    await team.claim("ide", values={"storageGi": 2})
    await team.ready("ide")
    smaller = await preview("diff", "ide", "--set", "storageGi=1")
    assert smaller.code == 2
    assert "PersistentVolumeClaim/ide-data refused" in smaller.out


async def test_where_a_field_is_from_is_told_for_one_field_an_object_and_all(team: Team, preview: Preview):
    await team.claim("ide", values={"greeting": "hi"})
    await team.ready("ide")
    summary = await preview("explain", "ide")
    assert summary.lines[0][:3] == ["OBJECT", "FIELDS", "BASE"]
    field = await preview("explain", "ide", "deployment/web", "/spec/replicas")
    assert field.lines[1][:3] == ["/spec/replicas", "1", "base"]
    files = await preview("explain", "ide", "configmap/web-config", "/data/settings.yaml")
    said = {line[0]: line[2] for line in files.lines[1:]}
    assert said == {
        "/data/settings.yaml#/greeting": "mapping",
        "/data/settings.yaml#/limits/requests": "base",
    }
    missing = await preview("explain", "ide", "deployment", "/spec/replica")
    assert missing.code == 1
    assert "/spec/replicas" in missing.err
    nothing = await preview("explain", "nobody")
    assert nothing.code == 1
    assert "There is no claim nobody" in nothing.err
