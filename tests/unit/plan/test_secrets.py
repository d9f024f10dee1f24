"""Where each secret ends up: referred to by the pod itself, or held by the claim's credentials Secret."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.secrets import GenerateRule, SecretReference, SecretUse, SecretValue
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan import policy
from ocdp_operator.plan.secrets import allot, references, to_rotate, with_own_keys
from tests.support.builders import manifest, pod_spec, resolved

OURS = "ide-credentials"
SECRET = manifest("Secret", OURS, type="Opaque")
TOKEN = SecretValue(("token",), SecretReference("upstream", "api-key"))
PASSWORD = SecretValue(("password",), GenerateRule())


def use(key: str = "TOKEN", *text: str | SecretValue) -> SecretUse:
    return SecretUse(key, text or (TOKEN,))


def variable(name: str, key: str = "TOKEN", secret: str = OURS, **more: Any) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, **more}}}


def workload(kind: str = "Deployment", *, volumes: tuple[Any, ...] = (), **container: Any) -> Manifest:
    spec = pod_spec(volumes=list(volumes))
    spec["containers"][0] |= container
    labels = {"app.kubernetes.io/instance": "ide"}
    body: dict[str, Any] = {"template": {"metadata": {"labels": labels}, "spec": spec}}
    if kind != "Job":
        body["selector"] = {"matchLabels": labels}
    return manifest(kind, "ide-web", spec=body)


def env_of(found: Rendering, at: int = 0) -> list[dict[str, Any]]:
    return list(found.manifests[at].body["spec"]["template"]["spec"]["containers"][0]["env"])


def held(*manifests: Manifest, secrets: tuple[SecretUse, ...] = (use(),)) -> list[str]:
    return [each.key for each in allot(Rendering(manifests), "ide", secrets).held]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_variable_refers_to_the_users_secret(kind: str):
    found = allot(
        Rendering((workload(kind, env=[variable("A"), variable("B", "OTHER")]), SECRET)), "ide", [use()]
    )

    assert env_of(found.rendering) == [variable("A", "api-key", "upstream"), variable("B", "OTHER")]
    assert found.held == ()


def test_an_optional_variable_stays_optional():
    found = allot(Rendering((workload(env=[variable("A", optional=True)]),)), "ide", [use()])

    assert env_of(found.rendering) == [variable("A", "api-key", "upstream", optional=True)]


def test_init_containers_refer_to_it_too():
    init = {"name": "first", "image": "app:1", "env": [variable("A")]}
    deployment = manifest(
        "Deployment", "ide-web", spec={"template": {"spec": pod_spec(initContainers=[init])}}
    )

    pod = (
        allot(Rendering((deployment,)), "ide", [use()])
        .rendering.manifests[0]
        .body["spec"]["template"]["spec"]
    )

    assert pod["initContainers"][0]["env"] == [variable("A", "api-key", "upstream")]


def test_what_envfrom_brought_comes_first_under_its_prefix():
    """A variable of the base may refer to it, as it could before."""
    source = {"prefix": "UPSTREAM_", "secretRef": {"name": OURS, "optional": False}}
    plain = {"name": "URL", "value": "http://$(UPSTREAM_TOKEN)/"}
    another = use("ANOTHER", SecretValue(("other",), SecretReference("more", "k")))

    found = allot(Rendering((workload(env=[plain], envFrom=[source]),)), "ide", [use(), another])

    assert env_of(found.rendering) == [
        variable("UPSTREAM_ANOTHER", "k", "more", optional=False),
        variable("UPSTREAM_TOKEN", "api-key", "upstream", optional=False),
        plain,
    ]


def test_a_variable_that_the_base_says_wins_over_envfrom():
    said = {"name": "TOKEN", "value": "constant"}

    found = allot(Rendering((workload(env=[said], envFrom=[{"secretRef": {"name": OURS}}]),)), "ide", [use()])

    assert env_of(found.rendering) == [said]


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(
            [workload(volumes=({"name": "v", "secret": {"secretName": OURS}},))], id="a volume with every key"
        ),
        pytest.param(
            [workload(volumes=({"name": "v", "secret": {"secretName": OURS, "items": [{"key": "TOKEN"}]}},))],
            id="a volume with this key",
        ),
        pytest.param(
            [workload(volumes=({"name": "v", "projected": {"sources": [{"secret": {"name": OURS}}]}},))],
            id="a projected volume",
        ),
        pytest.param([workload("Job", env=[variable("A")])], id="a Job's variable"),
        pytest.param([workload("Job", envFrom=[{"secretRef": {"name": OURS}}])], id="a Job's envFrom"),
        pytest.param(
            [manifest("Ingress", "ide-web", spec={"tls": [{"secretName": OURS}]})],
            id="the certificate of an Ingress",
        ),
        pytest.param(
            [workload(envFrom=[{"prefix": "1", "secretRef": {"name": OURS}}])], id="no name of a variable"
        ),
    ],
)
def test_what_is_read_in_another_way_than_by_a_variable_is_copied(others: list[Manifest]):
    reader = workload(env=[variable("A")])

    assert held(reader, *others) == ["TOKEN"]
    assert allot(Rendering((reader, *others)), "ide", [use()]).rendering.manifests == (reader, *others)


def test_another_key_of_a_volume_is_no_reason_to_copy():
    volume = {"name": "v", "secret": {"secretName": OURS, "items": [{"key": "PASSWORD"}]}}

    assert held(workload(env=[variable("A")], volumes=(volume,))) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param((PASSWORD,), id="generated"),
        pytest.param(("Bearer ", TOKEN), id="derived"),
        pytest.param(("constant",), id="plain text"),
    ],
)
def test_what_is_no_plain_reference_is_held(text: tuple[str | SecretValue, ...]):
    assert held(workload(env=[variable("A")]), secrets=(use("TOKEN", *text),)) == ["TOKEN"]


def test_what_nobody_reads_is_copied_nowhere():
    assert held(workload()) == []


def test_the_policy_sees_only_the_claims_own_secret():
    """It judges before references become direct: a base cannot name a user's Secret itself."""
    foreign = Rendering((workload(env=[variable("A", "api-key", "upstream")]), SECRET))

    assert (
        list(
            policy.violations(Rendering((workload(env=[variable("A")]), SECRET)), resolved(), policy.Limits())
        )
        == []
    )
    assert any("secretKeyRef" in why for why in policy.violations(foreign, resolved(), policy.Limits()))


def test_each_reference_is_named_once_in_the_order_of_the_values():
    first = SecretValue(("models", 0, "apiKey"), SecretReference("a", "k"))

    found = references(
        [use(), use("BEARER", "Bearer ", TOKEN), use("MODEL", first), use("PASSWORD", PASSWORD)]
    )

    assert found == ((first, first.origin), (TOKEN, TOKEN.origin))


def test_a_generated_value_that_is_only_derived_from_gets_a_key_of_its_own():
    bearer = use("BEARER", "Bearer ", PASSWORD)

    assert with_own_keys([bearer]) == (bearer, use(".BEARER", PASSWORD))
    assert with_own_keys([bearer, use("P", PASSWORD)]) == (bearer, use("P", PASSWORD))


def keys_of(*items: str) -> dict[str, tuple[str | int, ...]]:
    """The keys of generated values, each with its path, when a text for each item holds a user's name and two secrets."""
    held = [
        use(f"MODEL_{name}", SecretValue(("models", n, "user"), GenerateRule()), ":", SecretValue(("models", n, "key"), GenerateRule()))
        for n, name in enumerate(items)
    ]  # fmt: skip
    return {each.key: each.plain.path for each in with_own_keys(held) if each.plain is not None}


def test_the_key_of_a_derived_value_goes_with_its_item_through_the_list():
    before, after = keys_of("A", "B"), keys_of("B", "A")

    assert len(before) == 4
    assert before.keys() == after.keys()
    assert {key: path[2] for key, path in before.items()} == {key: path[2] for key, path in after.items()}
    assert {path[1] for key, path in after.items() if key.startswith(".MODEL_A")} == {1}


def test_unlike_names_never_share_a_key():
    first, second = SecretValue(("a b",), GenerateRule()), SecretValue(("a_b",), GenerateRule())
    both = with_own_keys([use("A", "x", first), use("B", "x", second)])
    assert [each.key for each in both] == ["A", "B", ".A", ".B"]
    items = [SecretValue(("l", n), GenerateRule()) for n in range(2)]
    together = with_own_keys([use("A", *items)])
    assert len({each.key for each in together}) == 3


ROTATED = [
    use("A", PASSWORD),
    use("B", SecretValue(("b",), GenerateRule())),
    use("C"),
    use("D", "x", PASSWORD),
]


@pytest.mark.parametrize(
    ("request_", "paths"),
    [
        ("now", {("password",), ("b",)}),
        ("2026-01-01T00:00:00Z/A", {("password",)}),
        ("x/B,A", {("password",), ("b",)}),
        ("x/D", {("password",)}),
    ],
)
def test_a_rotation_is_of_every_generated_value_or_of_those_that_are_named(request_: str, paths: set[Any]):
    assert to_rotate(request_, ROTATED) == paths


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ("", "must be TOKEN"),
        ("two words", "must be TOKEN"),
        ("x/", "must be TOKEN"),
        ("x/A,,B", "must be TOKEN"),
        ("x/A\n", "must be TOKEN"),
        ("x" * 65, "must be TOKEN"),
        ("x/" + "A," * 200 + "A", "must be TOKEN"),
        ("x/C", "without a generated value: C"),
        ("x/A,NONE", "without a generated value: NONE"),
    ],
)
def test_a_rotation_that_cannot_be_followed_is_refused_with_the_reason(request_: str, why: str):
    with pytest.raises(ValueError, match=why):
        to_rotate(request_, ROTATED)


def test_where_nothing_is_generated_there_is_nothing_to_rotate():
    with pytest.raises(ValueError, match="no credential"):
        to_rotate("now", [use()])
