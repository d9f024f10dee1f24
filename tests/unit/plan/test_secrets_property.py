"""Whatever a pod reads and however, it sees the same variables and files with direct references as without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.secrets import GenerateRule, SecretReference, SecretUse, SecretValue
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.secrets import allot
from tests.support.builders import manifest, pod_spec

OURS, THEIRS = "ide-credentials", "settings"
KEYS = ("A", "B", "P_A")
NAMES = st.sampled_from(["A", "B", "P_A", "P_P_A", "C"])

variables = st.one_of(
    st.builds(lambda name: {"name": name, "value": "constant"}, NAMES),
    st.builds(
        lambda name, key: {"name": name, "valueFrom": {"secretKeyRef": {"name": OURS, "key": key}}},
        NAMES,
        st.sampled_from(KEYS),
    ),
)
sources = st.builds(
    lambda prefix, secret: {
        "prefix": prefix,
        "secretRef" if secret else "configMapRef": {"name": OURS if secret else THEIRS},
    },
    st.sampled_from(["", "P_"]),
    st.booleans(),
)
containers = st.builds(
    lambda env, origins: {"name": "app", "image": "app:1", "env": env, "envFrom": origins},
    st.lists(variables, max_size=4, unique_by=lambda each: each["name"]),
    st.lists(sources, max_size=3),
)
volumes = st.builds(
    lambda keys: {
        "name": "v",
        "secret": {"secretName": OURS, "items": [{"key": key, "path": key} for key in keys]},
    },
    st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
)
uses = st.tuples(*(st.sampled_from(["reference", "generated", "derived"]) for _ in KEYS))


def use(key: str, how: str) -> SecretUse:
    reference = SecretValue((key,), SecretReference(f"user-{key.lower().replace('_', '-')}", "k"))
    texts = {
        "reference": (reference,),
        "derived": ("x", reference),
        "generated": (SecretValue((key,), GenerateRule()),),
    }
    return SecretUse(key, texts[how])


def seen(pod: Mapping[str, Any], held: Mapping[str, str], theirs: Mapping[str, str]) -> Any:
    """What the pod's containers get: variables by the kubelet's rules, and files."""
    secrets = {OURS: held} | theirs
    found: list[Any] = []
    for container in pod["containers"]:
        environment: dict[str, str] = {}
        for origin in container.get("envFrom", ()):
            values = held if "secretRef" in origin else {"A": "of the ConfigMap"}
            environment |= {origin["prefix"] + key: value for key, value in values.items()}
        for each in container.get("env", ()):
            reference = each.get("valueFrom", {}).get("secretKeyRef")
            environment[each["name"]] = (
                each["value"] if reference is None else secrets[reference["name"]][reference["key"]]
            )
        found.append(environment)
    for volume in pod.get("volumes", ()):
        items = volume["secret"]["items"] or [{"key": key} for key in KEYS]
        found.append({item["key"]: held[item["key"]] for item in items})
    return found


@given(uses, st.lists(containers, min_size=1, max_size=2), st.lists(volumes, max_size=1))
def test_pods_see_the_same_values(kinds: tuple[str, ...], boxes: list[Any], mounted: list[Any]):
    secrets = [use(key, how) for key, how in zip(KEYS, kinds, strict=True)]
    value = {each.key: f"value of {each.key}" for each in secrets}
    theirs = {
        part.origin.name: {part.origin.key: value[each.key]}
        for each in secrets
        for part in each.text
        if isinstance(part, SecretValue) and isinstance(part.origin, SecretReference)
    }
    pod = pod_spec(containers=boxes, volumes=mounted)
    deployment = manifest("Deployment", "ide-web", spec={"template": {"spec": pod}})

    allotted = allot(Rendering((deployment,)), "ide", secrets)

    held = {each.key: value[each.key] for each in allotted.held}
    after = allotted.rendering.manifests[0].body["spec"]["template"]["spec"]
    assert seen(after, held, theirs) == seen(pod, value, theirs)
