"""A template with a mapping to every kind of target, what its schema accepts, and what must come of it."""

from __future__ import annotations

import copy
from typing import Any, Final

import orjson
import yaml
from hypothesis import strategies as st

from ocdp_operator.model.expression_functions import env_name
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.resolve import resolve
from tests.support.apps import app_files, deployment, document
from tests.support.binding import bound
from tests.support.builders import answer, claim, template

HOST: Final = "guarded"
CONTAINER: Final = "/spec/template/spec/containers/0"
SECRET: Final = {"type": "string", "x-ocdp": {"secret": True}}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string", "maxLength": 400, "default": "plain"},
        "data": {"default": {}},
        "tag": {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"},
        "image": {"type": "string", "pattern": "^[a-z0-9]+(\\.[a-z0-9]+)*(:[0-9]{2,5})?(/[a-z0-9]+)+$"},
        "replicas": {"type": "integer", "minimum": 0, "maximum": 9, "default": 1},
        "guarded": {"type": "boolean", "default": False},
        "nodePort": {"type": ["integer", "null"], "minimum": 30000, "maximum": 32767},
        "password": {"type": "string", "x-ocdp": {"generate": {"length": 12}}},
        "models": {
            "type": "array",
            "maxItems": 20,
            "default": [],
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 64},
                    "note": {"type": ["string", "null"], "maxLength": 400},
                    "weight": {"type": "number"},
                    "apiKey": SECRET,
                },
            },
        },
    },
}
MODELS: Final = (
    "values.models.map(m, {'name': m.name, 'note': has(m.note) ? m.note : null, 'weight': has(m.weight) ? m.weight : null,"
    " 'key': has(m.apiKey) ? 'os.environ/KEY_' + envName(m.name) : null})"
)
FOR_EACH: Final = {"name": "name", "value": "apiKey", "prefix": "KEY_"}


def _deployment(pointer: str, op: str = "add") -> dict[str, Any]:
    return {"patch": {"kind": "Deployment", "name": "web", "pointer": pointer, "op": op}}


def _file(config_map: str, file: str, pointer: str) -> dict[str, Any]:
    return {"configFile": {"configMap": config_map, "file": file, "pointer": pointer}}


MAPPINGS: Final[list[dict[str, Any]]] = [
    {"from": "values.text"} | _deployment("/metadata/annotations/text"),
    {"from": "values.text"} | _deployment(f"{CONTAINER}/args/-"),
    {"value": "{'name': 'TEXT', 'value': values.text}"} | _deployment(f"{CONTAINER}/env/-"),
    {"value": "values.text + '|' + claim.name"} | _deployment("/spec/template/metadata/annotations/text"),
    {"from": "values.text"} | _file("variables", "app.env", "/TEXT"),
    {"from": "values.data"} | _file("web-config", "settings.yaml", "/data"),
    {"from": "values.data"} | _file("web-config", "more.json", "/data"),
    {"value": MODELS} | _file("web-config", "settings.yaml", "/models"),
    {"from": "values.tag", "image": {"name": "registry.example.test/web"}},
    {"from": "values.image", "image": {"name": "registry.example.test/web", "part": "name"}},
    {"from": "values.replicas", "replicas": {"name": "web"}},
    {"from": "values.guarded", "components": {"true": "web/components/guarded", "false": None}},
    {"from": "values.nodePort", "when": "has(values.nodePort) && values.nodePort != null"}
    | {"patch": {"kind": "Service", "name": "web", "pointer": "/spec/ports/0/nodePort"}},
    {"from": "values.password", "secret": {"key": "PASSWORD"}},
    {"value": "values.text + ':' + values.password", "secret": {"key": "DERIVED"}},
    {"from": "values.models", "secret": {"forEach": FOR_EACH}},
]


def files() -> dict[str, bytes]:
    """The thin application with a place for each of them."""
    app = deployment()
    app["metadata"]["annotations"] = {"own": "kept"}
    app["spec"]["template"]["metadata"]["annotations"] = {"own": "kept"}
    app["spec"]["template"]["spec"]["containers"][0]["args"] = ["fixed"]
    generators = [
        {"name": "web-config", "files": ["settings.yaml", "more.json"]},
        {"name": "variables", "envs": ["app.env"]},
        {"name": "untouched", "literals": ["a=b"]},
    ]
    resources = ["deployment.yaml", "service.yaml", "account.yaml", "volume.yaml"]
    return app_files(deployment=document(app)) | {
        "web/base/kustomization.yaml": document({"resources": resources, "configMapGenerator": generators}),
        "web/base/more.json": b'{"own": 1}',
        "web/base/app.env": b"OLD=1\n",
    }


def claimed(values: dict[str, Any]) -> ResolvedWorkload:
    """A claim with these values, taken the whole way to the overlay. Raises Stalled."""
    revision = template(schema=SCHEMA, mappings=MAPPINGS, components=["web/components/guarded"])
    source = revision.source.__class__(
        revision.source.repository_url, "v1", "web/base", revision.source.commit
    )
    revision = revision.__class__("web", 1, source, revision.body)
    asking = claim(template_id="web", values=values)
    return bound(resolve(asking, answer(revision), succeeded_before=False))


# What the schema accepts

AWKWARD: Final = (
    *("no", "y", "null", "~", "1e3", "0o7", "010", "22:22", "2020-01-01", "0x1f", ".inf", "1_000", "", "=", "<<", "true"),
    *("$(PASSWORD)", "$$(X)", "${HOME}", "{{ x }}", "{% raw %}", "os.environ/X", "%YAML 1.2", "!!int 3", "&a", "*a", "|", ">"),
    *("'", '"', "\\", "\\n", "`x`", "]}", "# c", "- x", "? x", ": x", "a: b", "---\nkind: Secret", "...", "a\r\nb", "\ttab", " lead"),
    *("trail ", "é", "😀", "\u2028", "\ufeff", "\u202e", "a\n\n", "'''", '"""', "values.password", "' + values.password + '"),
)  # fmt: skip
PLAIN: Final = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\n\t\r"
)
TEXTS: Final = st.sampled_from(AWKWARD) | st.text(PLAIN, max_size=60)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
REFERENCE: Final = st.just({"secretKeyRef": {"name": "mine", "key": "k"}})
MODEL: Final = st.fixed_dictionaries(
    {"name": TEXTS.map(lambda text: text[:64])},
    optional={
        "note": st.none() | TEXTS,
        "weight": st.integers(-(10**9), 10**9) | st.floats(-1e300, 1e300),
        "apiKey": REFERENCE,
    },
)
ACCEPTED: Final = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXTS,
        "data": JSON,
        "tag": st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,30}\Z") | st.sampled_from(["no", "1e3", "1.0", "007", "null"]),
        "image": st.sampled_from(["registry.example.test/web", "mirror.example.test:5000/a/b", "a/no"]),
        "replicas": st.integers(0, 9),
        "guarded": st.booleans(),
        "nodePort": st.none() | st.integers(30000, 32767),
        "models": st.lists(MODEL, max_size=4, unique_by=lambda model: model["name"]),
    },
)  # fmt: skip
"""Item names are unlike, as no schema can ask; two of one name are refused by their path."""


# What must come of it


def assert_literal(objects: dict[str, Any], values: dict[str, Any], plain: dict[str, Any]) -> None:
    """Every value is where it was mapped to, as it is; everything else is as it is without them."""
    text, data = values.get("text", "plain"), values.get("data", {})
    app, service = objects["Deployment/ide-web"], objects["Service/ide-web"]
    pod = app["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert app["metadata"]["annotations"] == {"own": "kept", "text": text}
    assert pod["metadata"]["annotations"] == {"own": "kept", "text": f"{text}|ide"}
    assert container["args"] == ["fixed", text.replace("$", "$$")]
    assert container["env"][1:] == [{"name": "TEXT", "value": text.replace("$", "$$")}]
    assert app["spec"]["replicas"] == values.get("replicas", 1)
    name, tag = values.get("image", "registry.example.test/web"), values.get("tag", "1.0.0")
    assert container["image"] == f"{name}:{tag}"
    assert service["spec"]["ports"][0].get("nodePort") == values.get("nodePort")
    config, variables = _config(objects, "web-config"), _config(objects, "variables")
    settings, more = yaml.safe_load(config["settings.yaml"]), orjson.loads(config["more.json"])
    shown = data if data is not None else {}
    assert same(settings.pop("data", {}), shown)
    assert same(more.pop("data", {}), shown)
    assert same(settings.pop("models"), [_model(model) for model in values.get("models", [])])
    assert settings == {"greeting": "hello", "limits": {"requests": 10}}
    assert more == {"own": 1}
    assert variables == {"OLD": "1", "TEXT": text}
    assert ("NetworkPolicy/ide-web" in objects) is values.get("guarded", False)
    assert _rest(objects) == _rest(plain)


def same(found: Any, given: Any) -> bool:
    """Equal, types and all: 1 is not true, and no text is a number."""
    if isinstance(given, dict):
        return (
            isinstance(found, dict)
            and found.keys() == given.keys()
            and all(same(found[k], given[k]) for k in given)
        )
    if isinstance(given, list):
        return isinstance(found, list) and len(found) == len(given) and all(map(same, found, given))
    if isinstance(given, int | float) and not isinstance(given, bool):
        return isinstance(found, int | float) and not isinstance(found, bool) and found == given
    return type(found) is type(given) and found == given


def keys_of(workload: ResolvedWorkload) -> list[str]:
    """Of the credentials Secret, without those that every claim has."""
    return [use.key for use in workload.secrets if use.key not in {"PASSWORD", "DERIVED"}]


def _model(model: dict[str, Any]) -> dict[str, Any]:
    known = {field: model[field] for field in ("name", "note", "weight") if model.get(field) is not None}
    return known | ({"key": f"os.environ/KEY_{env_name(model['name'])}"} if "apiKey" in model else {})


def _config(objects: dict[str, Any], name: str) -> dict[str, str]:
    (found,) = (body for key, body in objects.items() if key.startswith(f"ConfigMap/ide-{name}-"))
    return dict(found["data"])


def _rest(objects: dict[str, Any]) -> dict[str, Any]:
    """The objects without what is mapped; names of ConfigMaps without their hash."""
    rest = {}
    for key, body in copy.deepcopy(objects).items():
        if key.startswith("ConfigMap/") and "untouched" not in key:
            rest[key.rpartition("-")[0]] = {
                **body,
                "metadata": {**body["metadata"], "name": ""},
                "data": None,
            }
        elif key == "Deployment/ide-web":
            pod = body["spec"]["template"]
            (container,) = pod["spec"]["containers"]
            for place, field in (
                (body["metadata"], "annotations"),
                (pod["metadata"], "annotations"),
                (body["spec"], "replicas"),
                (container, "args"),
                (container, "image"),
            ):
                del place[field]
            del container["env"][1:]
            for volume in pod["spec"]["volumes"]:
                if "configMap" in volume:
                    volume["configMap"]["name"] = volume["configMap"]["name"].rpartition("-")[0]
            rest[key] = body
        elif key != "NetworkPolicy/ide-web":
            if key == "Service/ide-web":
                body["spec"]["ports"][0].pop("nodePort", None)
            rest[key] = body
    return rest
