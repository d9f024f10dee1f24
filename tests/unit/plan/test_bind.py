"""Mappings bound to a claim: where each value, secret and component goes, and whose fault it is when none can."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.profile import Environment
from ocdp_operator.model.secrets import Alphabet, GenerateRule, SecretReference, SecretUse, SecretValue
from ocdp_operator.model.template import ResolvedWorkload
from tests.support.binding import bound
from tests.support.builders import resolved, template

SECRETS = {
    "type": "object",
    "properties": {
        "password": {"x-ocdp": {"generate": {"length": 30, "alphabet": "hex", "prefix": "sk-"}}},
        "token": {"x-ocdp": {"secret": True}},
        "user": {"type": "string"},
        "models": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "apiKey": {"$ref": "#/$defs/key"}},
            },
        },
    },
    "$defs": {"key": {"allOf": [{"x-ocdp": {"secret": True}}]}},
}
PASSWORD = SecretValue(("password",), GenerateRule(30, Alphabet.HEX, "sk-"))
TOKEN = SecretValue(("token",), SecretReference("mine", "token"))
GIVEN_TOKEN = {"secretKeyRef": {"name": "mine", "key": "token"}}
PROFILE = Environment({"ingress": {"domain": "apps.example.test"}})


def on(*mappings: dict[str, Any], values: dict[str, Any] | None = None, **body: Any) -> ResolvedWorkload:
    """A claim bound to a template of these mappings."""
    revision = template(mappings=list(mappings), **body)
    return bound(resolved(revision=revision, values=values or {}, environment=PROFILE))


def patching(**source: Any) -> dict[str, Any]:
    return {"patch": {"kind": "Service", "name": "web", "pointer": "/metadata/annotations/a"}} | source


def values_of(workload: ResolvedWorkload) -> list[Any]:
    return [each.value for each in workload.bound]


def refusal(*mappings: dict[str, Any], values: dict[str, Any] | None = None, **body: Any) -> Stalled:
    with pytest.raises(Stalled) as caught:
        on(*mappings, values=values, **body)
    assert "CANARY" not in caught.value.message
    return caught.value


# Where values come from


def test_paths_and_expressions_read_values_profile_workspace_and_claim():
    workload = on(
        patching(**{"from": "values.a"}),
        patching(**{"from": "profile.ingress.domain"}),
        patching(value='slug(claim.name + "-" + workspace.id) + "." + profile.ingress.domain'),
        patching(**{"from": "workspace.customer"}),
        values={"a": {"b": None}},
    )
    assert values_of(workload) == [{"b": None}, "apps.example.test", "ide-team-a.apps.example.test", "acme"]
    assert [each.index for each in workload.bound] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "mapping", [patching(**{"from": "values.a"}), patching(value="has(values.a) ? values.a : null")]
)
@pytest.mark.parametrize("values", [{}, {"a": None}], ids=["absent", "null"])
def test_a_mapping_without_a_value_does_nothing(mapping: dict[str, Any], values: dict[str, Any]):
    assert on(mapping, values=values).bound == ()


@pytest.mark.parametrize(("share", "brings"), [(1, []), (2, ["x"])], ids=["false", "true"])
def test_when_decides_whether_a_mapping_does_anything(share: int, brings: list[str]):
    assert values_of(on(patching(value="'x'", when="values.n > 1"), values={"n": share})) == brings


def test_null_entries_of_what_an_expression_makes_are_left_out():
    models = [{"name": "a", "rpm": 5}, {"name": "b"}]
    workload = on(
        patching(value="values.models.map(m, {'n': m.name, 'p': {'rpm': has(m.rpm) ? m.rpm : null}})"),
        values={"models": models},
    )
    assert values_of(workload) == [[{"n": "a", "p": {"rpm": 5}}, {"n": "b", "p": {}}]]


@pytest.mark.parametrize(
    "mapping",
    [
        patching(**{"from": "profile.storageClass"}),
        patching(value="'x-' + profile.storageClass"),
        patching(value="'x'", when="profile.storageClass == 'y'"),
    ],
    ids=["path", "expression", "when"],
)
def test_a_profile_without_a_field_that_is_needed_is_the_platforms_to_complete(mapping: dict[str, Any]):
    error = refusal(mapping)
    assert (error.reason, error.actor) == (Reason.PROFILE_INCOMPLETE, Actor.PLATFORM)
    assert "profile.storageClass" in error.message


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an expression that fails": (patching(value="values.text + 1"), "`value` cannot be evaluated: it puts together"),
    "a when that fails": (patching(value="'x'", when="values.absent == 1"), "`when` cannot be evaluated: values.absent is absent"),
    "a when that is no boolean": (patching(value="'x'", when="values.text"), "`when` must be true or false"),
    "a when that is null": (patching(value="'x'", when="values.nothing"), "`when` must be true or false"),
    "an image's tag that is no tag": ({"value": "values.text", "image": {"name": "web"}}, "must be the tag of an image"),
    "an image's digest that is none": ({"value": "'1'", "image": {"name": "web", "part": "digest"}}, "must be the digest"),
    "replicas that are no number": ({"value": "values.text", "replicas": {"name": "web"}}, "must be a whole number"),
    "replicas below zero": ({"value": "-1", "replicas": {"name": "web"}}, "must be a whole number"),
    "half a replica": ({"value": "0.5", "replicas": {"name": "web"}}, "must be a whole number"),
    "replicas that are true": ({"value": "true", "replicas": {"name": "web"}}, "must be a whole number"),
    "a component by an expression": ({"value": "values.text", "components": {"a": None}}, "must be one of a"),
    "a control character by an expression": (patching(value="values.text + '\\u0007'"), "holds a control character"),
    "a secret by an expression that is a number": ({"value": "3", "secret": {"key": "K"}}, "must be text"),
    "a secret for each item of a text": (
        {"value": "values.text", "secret": {"forEach": {"name": "name", "value": "key"}}},
        "must be a list of objects",
    ),
    "a secret for items without a name": (
        {"value": "values.list", "secret": {"forEach": {"name": "name", "value": "key"}}},
        "an item has no name",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("mapping", "why"), FAULTS.values(), ids=FAULTS.keys())
def test_a_mapping_that_cannot_work_names_itself_and_its_target(mapping: dict[str, Any], why: str):
    values = {"text": "CANARY \n", "nothing": None, "list": [{"key": "CANARY"}]}
    error = refusal(patching(**{"from": "values.nothing"}), mapping, values=values)
    assert (error.reason, error.actor, error.value_path) == (Reason.INVALID_VALUES, Actor.PLATFORM, "")
    assert error.message.startswith("mappings[1], to ")
    assert why in error.message


USERS: dict[str, tuple[dict[str, Any], Any]] = {
    "a tag": ({"image": {"name": "web"}}, "CANARY tag"),
    "a name": ({"image": {"name": "web", "part": "name"}}, "CANARY:1"),
    "replicas": ({"replicas": {"name": "web"}}, "CANARY"),
    "a control character": ({"patch": {"kind": "Service", "name": "web", "pointer": "/x"}}, "CANARY\x07"),
}


@pytest.mark.parametrize(("target", "value"), USERS.values(), ids=USERS.keys())
def test_a_value_that_does_not_fit_its_target_is_the_users_to_mend(target: dict[str, Any], value: Any):
    error = refusal({"from": "values.a.b"} | target, values={"a": {"b": value}})
    assert (error.reason, error.actor, error.value_path) == (
        Reason.INVALID_VALUES,
        Actor.USER,
        "/spec/values/a/b",
    )


# Components


def exposing(table: dict[str, str | None], *, source: str = "values.exposure") -> dict[str, Any]:
    return {"from": source, "components": table}


@pytest.mark.parametrize(
    ("table", "value", "components"),
    [
        pytest.param({"ingress": "apps/x/ingress", "clusterip": None}, "ingress", ("apps/x/ingress",), id="chosen"),
        pytest.param({"ingress": "apps/x/ingress", "clusterip": None}, "clusterip", (), id="none chosen"),
        pytest.param({"ingress": "apps/x/ingress"}, None, (), id="no value"),
        pytest.param({"true": "apps/x/gpu", "false": None}, True, ("apps/x/gpu",), id="true"),
        pytest.param({"true": "apps/x/gpu", "false": None}, False, (), id="false"),
        pytest.param({"2": "apps/x/two"}, 2, ("apps/x/two",), id="number"),
    ],
)  # fmt: skip
def test_a_value_brings_in_a_component(table, value, components):
    offered = [component for component in table.values() if component]
    workload = on(exposing(table), values={"exposure": value}, components=offered)
    assert workload.components == components
    assert workload.bound == ()


@pytest.mark.parametrize("value", ["CANARY", {"a": "CANARY"}, ["CANARY"]], ids=repr)
def test_a_value_outside_the_table_is_invalid_and_not_quoted(value):
    error = refusal(exposing({"ingress": "apps/x"}), values={"exposure": value}, components=["apps/x"])
    assert (error.reason, error.value_path) == (Reason.INVALID_VALUES, "/spec/values/exposure")
    assert error.actor is Actor.USER
    assert "ingress" in error.message


@pytest.mark.parametrize(
    "mapping",
    [
        pytest.param(exposing({"team-b": None}, source="workspace.id"), id="a fact outside the table"),
        pytest.param(exposing({"ingress": "apps/x"}), id="a component not offered"),
        pytest.param({"from": "values.exposure", "secret": {"key": "K"}}, id="a secret that is no secret"),
        pytest.param({"from": "claim.name", "secret": {"key": "K"}}, id="a secret that is a fact"),
    ],
)
def test_a_mapping_that_cannot_work_is_the_platforms_to_mend(mapping):
    assert refusal(mapping, values={"exposure": "ingress"}).actor is Actor.PLATFORM


def test_each_component_comes_in_once_in_the_order_of_the_mappings():
    first = exposing({"x": "apps/two"}, source="values.a")
    second = {"value": "values.b + ''", "components": {"x": "apps/one"}}
    workload = on(first, second, first, values={"a": "x", "b": "x"}, components=["apps/one", "apps/two"])
    assert workload.components == ("apps/two", "apps/one")


# Secrets


def test_a_secret_is_known_by_where_it_comes_from():
    workload = on(
        {"from": "values.password", "secret": {"key": "PASSWORD"}},
        {"from": "values.token", "secret": {"key": "TOKEN"}},
        values={"token": GIVEN_TOKEN},
        schema=SECRETS,
    )
    assert workload.secrets == (SecretUse("PASSWORD", (PASSWORD,), 0), SecretUse("TOKEN", (TOKEN,), 1))
    assert workload.bound == ()


def test_a_secret_that_is_not_given_and_not_generated_has_no_key():
    mapping = {"from": "values.token", "secret": {"key": "TOKEN"}}
    assert on(mapping, schema=SECRETS).secrets == ()
    assert on(mapping, schema=SECRETS, values={"token": None}).secrets == ()


def test_an_expression_derives_text_from_secrets_without_knowing_them():
    workload = on(
        {"value": "values.user + ':' + values.password + '@' + values.token + '!'", "secret": {"key": "URL"}},
        {"value": "has(values.token) && values.token != null ? 'on' : 'off'", "secret": {"key": "MODE"}},
        values={"user": "me", "token": GIVEN_TOKEN},
        schema=SECRETS,
    )
    assert workload.secrets == (
        SecretUse("URL", ("me:", PASSWORD, "@", TOKEN, "!"), 0),
        SecretUse("MODE", ("on",), 1),
    )


def keyed(*names: str) -> dict[str, Any]:
    return {
        "models": [{"name": name, "apiKey": {"secretKeyRef": {"name": "mine", "key": "k"}}} for name in names]
    }


FOR_EACH = {"forEach": {"name": "name", "value": "apiKey", "prefix": "MODEL_", "suffix": "_API_KEY"}}


@pytest.mark.parametrize(
    "source", [{"from": "values.models"}, {"value": "values.models.filter(m, true)"}], ids=str
)
def test_each_item_that_has_a_secret_gives_it_a_key_of_its_name(source: dict[str, Any]):
    values = keyed("CHAT", "gpt-4")
    values["models"].insert(1, {"name": "without"})
    workload = on(source | {"secret": FOR_EACH}, values=values, schema=SECRETS)
    assert [use.key for use in workload.secrets] == ["MODEL_CHAT_API_KEY", "MODEL_GPT_4_1B1AE706_API_KEY"]
    assert [use.plain.path for use in workload.secrets if use.plain] == [
        ("models", 0, "apiKey"),
        ("models", 2, "apiKey"),
    ]


def test_the_names_of_keys_are_those_that_expressions_make():
    workload = on(
        patching(value="values.models.map(m, 'MODEL_' + envName(m.name) + '_API_KEY')"),
        {"from": "values.models", "secret": FOR_EACH},
        values=keyed("gpt-4", "größer"),
        schema=SECRETS,
    )
    assert values_of(workload) == [[use.key for use in workload.secrets]]


def test_two_items_of_one_name_are_the_users_to_tell_apart():
    error = refusal(
        {"from": "values.models", "secret": FOR_EACH}, values=keyed("A", "B", "A"), schema=SECRETS
    )
    assert (error.reason, error.actor) == (Reason.INVALID_VALUES, Actor.USER)
    assert error.value_path == "/spec/values/models/2/name"


@pytest.mark.parametrize("with_key", [[], [0], [1]], ids=["neither", "the first", "the second"])
def test_two_items_of_one_name_are_refused_whichever_has_a_secret(with_key: list[int]):
    values = keyed("A", "A")
    for number in {0, 1} - {*with_key}:
        del values["models"][number]["apiKey"]
    error = refusal({"from": "values.models", "secret": FOR_EACH}, values=values, schema=SECRETS)
    assert (error.reason, error.actor) == (Reason.INVALID_VALUES, Actor.USER)
    assert error.value_path == "/spec/values/models/1/name"
    assert error.message.startswith("/spec/values/models/1/name has a name that is given already")


def test_one_key_is_given_by_one_mapping():
    twice = {"from": "values.password", "secret": {"key": "K"}}
    error = refusal(twice, twice, schema=SECRETS)
    assert error.actor is Actor.PLATFORM
    assert "mappings[0] gives this key too" in error.message


@pytest.mark.parametrize(
    "mapping",
    [
        patching(**{"from": "values.password"}),
        patching(value="'x' + values.token"),
        patching(**{"from": "values.models"}),
        patching(value="{values.token: 1}"),
        {"from": "values.token", "image": {"name": "web"}},
        {"from": "values.token", "components": {"a": None}},
        {"from": "values.token", "configFile": {"configMap": "c", "file": "f.yaml", "pointer": "/x"}},
    ],
    ids=lambda mapping: f"{mapping.get('from', mapping.get('value'))}-{list(mapping)[-1]}",
)
def test_a_secret_goes_nowhere_else(mapping: dict[str, Any]):
    error = refusal(mapping, values={"token": GIVEN_TOKEN, **keyed("a")}, schema=SECRETS)
    assert error.actor is Actor.PLATFORM
    assert "the target `secret`" in error.message


@pytest.mark.parametrize(
    "expression", ["slug(values.token)", "envName(values.token)", "quantity(values.token)"]
)
def test_no_function_makes_something_of_a_secret(expression: str):
    assert "secret" in refusal(
        patching(value=expression), values={"token": GIVEN_TOKEN}, schema=SECRETS
    ).message or ("quantity" in expression)


@pytest.mark.parametrize("text", ["\x020\x03", "a\x02", "\x03"], ids=repr)
@pytest.mark.parametrize(
    "place", [lambda t: {"user": t}, lambda t: {"user": {t: 1}}, lambda t: {"user": [t]}]
)
def test_nobody_forges_a_secret(text: str, place: Any):
    error = refusal({"value": "values.user", "secret": {"key": "K"}}, values=place(text), schema=SECRETS)
    assert (error.reason, error.actor) == (Reason.INVALID_VALUES, Actor.USER)
    assert error.value_path.startswith("/spec/values/user")


def test_a_secret_is_not_made_by_a_template_either():
    error = refusal({"value": "'\\u00020\\u0003' + '\\u0002'", "secret": {"key": "K"}}, schema=SECRETS)
    assert error.actor is Actor.PLATFORM


@pytest.mark.parametrize("given", ["CANARY", {"secretKeyRef": {"name": "a"}}, {"secretKeyRef": {"name": "a", "key": "b"}, "c": 1}, 3], ids=repr)  # fmt: skip
def test_a_secret_that_is_given_otherwise_is_refused(given: Any):
    error = refusal({"from": "values.token", "secret": {"key": "K"}}, values={"token": given}, schema=SECRETS)
    assert (error.reason, error.value_path) == (Reason.INVALID_VALUES, "/spec/values/token")


def test_a_secret_inside_of_what_is_absent_is_absent():
    inner = {"type": "object", "properties": {"key": {"x-ocdp": {"generate": {}}}}}
    mapping = {"value": "has(values.a.key) ? values.a.key : null", "secret": {"key": "K"}}
    schema = {"type": "object", "properties": {"a": inner}}
    assert on(mapping, schema=schema).secrets == ()
    (use,) = on(mapping, schema=schema, values={"a": {}}).secrets
    assert use.plain == SecretValue(("a", "key"), GenerateRule())
