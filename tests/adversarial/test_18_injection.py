"""Row 18: values that try to be more than values. They stay literal in the live object, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.errors import Stalled
from ocdp_operator.model.source import Artifact
from ocdp_operator.plan.overlay import build_overlay
from tests.integration.kustomize.test_overlay import HOSTILE, everywhere, files_with_seams
from tests.support.apps import app_files
from tests.support.hostile import Case, Crowd, codes
from tests.support.overlays import COMMIT, patching, said, workload
from tests.support.world import Team, is_ready

TEXTS = [
    *HOSTILE,
    "x\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: injected\n",
    "x\n...\n---\nkind: ClusterRoleBinding",
    "', admin: true, x: '",
    '", "op": "remove", "path": "/spec", "x": "',
    "]}]\n- op: remove\n  path: /spec",
    "/spec/template~1spec",
    "$(cat /etc/passwd)",
    "`id`",
    "; rm -rf /",
    "${{ secrets.X }}",
    "{{ .Values.x }}{% raw %}",
    "%s%n%d",
    "\\u0000\\x00",
    "a\r\nX-Header: y",
    "$patch: delete",
    "configMapGenerator:\n- name: x",
    "\u202e\u2066",
]
"""Each goes into an annotation, an argument, a YAML file, a JSON file and a variable of one live claim."""


async def test_18_hostile_text_is_literal_in_the_live_objects(new_team, operator: OperatorProcess):
    team: Team = await new_team("inject")
    texts = [text for text in TEXTS if text]
    body = {
        "schema": {"type": "object", "properties": {f"v{n}": {"type": "string"} for n in range(len(texts))}},
        "mappings": everywhere(len(texts)),
        "components": [],
    }
    values = {f"v{n}": text for n, text in enumerate(texts)}
    cases = {
        "plain": Case(files_with_seams(), body=body | {"mappings": []}),
        "hostile": Case(values=values, body=body, files=files_with_seams()),
    }
    crowd = await Crowd.of(team, cases)
    found = await crowd.settled()
    assert all(is_ready(each) for each in found.values())
    objects = await team.objects()
    plain, hostile = (_of(objects, crowd.names[case]) for case in cases)
    assert set(plain) == set(hostile)
    app = hostile["Deployment/web"]
    assert [app["metadata"]["annotations"][f"a{n}"] for n in range(len(texts))] == texts
    arguments = app["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments == ["fixed", *(text.replace("$", "$$") for text in texts)]
    config, variables = hostile["ConfigMap/web-config"]["data"], hostile["ConfigMap/variables"]["data"]
    assert [yaml.safe_load(config["settings.yaml"])[f"v{n}"] for n in range(len(texts))] == texts
    assert [orjson.loads(config["more.json"])[f"v{n}"] for n in range(len(texts))] == texts
    assert [variables[f"V{n}"] for n in range(len(texts))] == texts
    # Nothing but what is said there differs: the objects are the same otherwise.
    assert app["spec"]["template"]["spec"]["volumes"][1] == {
        "name": "data",
        "persistentVolumeClaim": {"claimName": "c1-data"},
    }
    for each in (plain["Deployment/web"], app):
        assert each["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
        assert len(each["spec"]["template"]["spec"]["containers"]) == 1


def _of(objects: dict[str, Any], claim: str) -> dict[str, Any]:
    """A claim's objects, by kind and by the base's name."""
    found = {}
    for key, item in objects.items():
        kind, name = key.split("/")
        if not name.startswith(claim) or kind in {"ReplicaSet", "Workload"}:
            continue
        own = name.removeprefix(f"{claim}-")
        found[f"{kind}/{own.rpartition('-')[0] if kind == 'ConfigMap' else own}"] = item
    return found


REFUSED = {
    "a label with a line break": (patching("Deployment", "web", "/metadata/labels/x"), "a\nb"),
    "a label that is too long": (patching("Deployment", "web", "/metadata/labels/x"), "x" * 64),
    "a label of blanks": (patching("Deployment", "web", "/metadata/labels/x"), "a b: c"),
    "a label of a template": (patching("Deployment", "web", "/metadata/labels/x"), "{{ x }}"),
    "a label that is no text": (patching("Deployment", "web", "/metadata/labels/x"), {"a": "b"}),
    "a number of a port": (patching("Service", "web", "/spec/ports/0/port", op="replace"), "80; 81"),
    "an object as the image": (
        patching("Deployment", "web", "/spec/template/spec/containers/0/image", op="replace"),
        {"hostPath": "/"},
    ),
    "NUL": (patching("Deployment", "web", "/metadata/annotations", op="add"), {"a": "b\0c"}),
    "an escape": (patching("Deployment", "web", "/metadata/annotations", op="add"), {"a": "\x1b[31m"}),
    "a key that is no name": (patching("Deployment", "web", "/metadata/annotations", op="add"), {"a b": "c"}),
    "a mark of ours": (
        patching("Deployment", "web", "/metadata/annotations", op="add"),
        {"ocdp.io/owner": "someone"},
    ),
    "a volume of the host": (
        patching("Deployment", "web", "/spec/template/spec/volumes/-"),
        {"name": "h", "hostPath": {"path": "/"}},
    ),
    "a finalizer": (patching("Deployment", "web", "/metadata/finalizers"), ["x/y"]),
    "another kind": (patching("Deployment", "web", "/kind", op="replace"), "ClusterRole"),
}


async def test_18_a_value_that_fits_no_field_is_refused_and_brings_no_object(
    new_team, operator: OperatorProcess
):
    team: Team = await new_team("misfit")
    schema = {"type": "object", "properties": {"it": {}}}
    cases = {
        name: Case(values={"it": value}, body={"schema": schema, "mappings": [mapping], "components": []})
        for name, (mapping, value) in REFUSED.items()
    }
    crowd = await Crowd.of(team, cases)
    found = await crowd.settled()
    assert {name: code for name, code in codes(found).items() if code == "Ready"} == {}
    shown = {"Deployment/web", "Service/web", "ServiceAccount/web", "PersistentVolumeClaim/data"}
    shown |= {"ConfigMap/web-config", "Secret/credentials"}
    objects = await team.objects()
    for claim in crowd.names.values():
        assert _of(objects, claim).keys() <= shown, claim
    assert await operator.healthy()


async def test_18_a_namespace_among_the_values_moves_nothing(new_team, operator: OperatorProcess):
    team: Team = await new_team("moved")
    schema = {"type": "object", "properties": {"it": {}}}
    mapping = patching("Deployment", "web", "/metadata/namespace")
    body = {"schema": schema, "mappings": [mapping], "components": []}
    crowd = await Crowd.of(team, {"elsewhere": Case(values={"it": "kube-system"}, body=body)})
    assert codes(await crowd.settled()) == {"elsewhere": "Ready"}
    assert "Deployment/c0-web" in await team.objects()
    there = await team.platform.get("deployments", "-n", "kube-system")
    assert there["items"] == []


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
KEYS = st.text(st.sampled_from("ab~/01$({-: \n"), min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
@settings(max_examples=200)
def test_18_any_value_is_one_json_string_in_the_overlay_and_nothing_else_changes(value: Any):
    mapping = patching("Deployment", "web", "/metadata/annotations/x")
    one, other = (
        _overlay({"it": each}, [mapping]) for each in ("plain", value if value is not None else "plain")
    )
    if one is None or other is None:
        return
    assert one.files.keys() == other.files.keys()
    for path in one.files.keys() - {"kustomization.yaml"}:
        assert one.files[path] == other.files[path]
    first, second = said(one), said(other)
    assert first | {"patches": None} == second | {"patches": None}
    (before,), (after,) = (orjson.loads(each["patches"][0]["patch"]) for each in (first, second))
    assert before | {"value": None} == after | {"value": None}
    assert after["value"] == (value if value is not None else "plain")


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(JSON.filter(lambda value: value is not None), min_size=1, max_size=6))
async def test_18_any_value_is_literal_in_what_kustomize_builds(
    tmp_path: Path, binaries: Binaries, values: list[Any]
):
    mappings = [patching("Deployment", "web", f"/metadata/x{n}", f"values.v{n}") for n in range(len(values))]
    overlay = _overlay({f"v{n}": value for n, value in enumerate(values)}, mappings)
    if overlay is None:
        return
    root = tmp_path / "artifact"
    for path, content in app_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    async with KustomizeRenderer(tmp_path / "work", kustomize=binaries.kustomize) as renderer:
        rendering = await renderer.render(Artifact(COMMIT, root, app_files()), overlay)
    (app,) = (manifest.body for manifest in rendering.manifests if manifest.ref.kind == "Deployment")
    assert [app["metadata"][f"x{n}"] for n in range(len(values))] == values
    assert len(rendering.manifests) == 6


def _overlay(values: dict[str, Any], mappings: list[dict[str, Any]]) -> Any:
    """The overlay, or None for values that no manifest can hold."""
    try:
        return build_overlay(workload(values, mappings=mappings), app_files())
    except Stalled:
        return None
