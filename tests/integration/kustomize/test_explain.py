"""Where fields are from, for the three applications, and the proof: without that layer the field is another one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.adapters.expressions import CelExpressions
from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.provenance import (
    BaseLayer,
    FieldOrigin,
    GeneratedLayer,
    Layer,
    MappingLayer,
    PlatformLayer,
    PlatformPart,
    ProfileLayer,
    layer_word,
)
from tests.support.layered_claims import Lab, Layered, value_at

POD = "/spec/template/spec"
CONTAINER = f"{POD}/containers/0"
CLUSTER = {
    "storageClass": "fast",
    "ingress": {
        "class": "nginx",
        "domain": "apps.example.test",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "100m"},
        "tls": {"secretName": "wildcard"},
    },
    "gpu": {"resource": "amd.com/gpu", "runtimeClass": "rocm"},
    "labels": {"example.test/site": "west"},
}
CUSTOMER = {
    "registry": {"prefix": "registry.example.test/acme", "pullSecrets": ["registry"]},
    "proxy": {"http": "http://proxy.example.test:3128", "noProxy": ["localhost"]},
    "parameters": {"hub": "http://hub.example.test"},
}
WORKSPACE = {
    "nodeSelector": {"example.test/pool": "team-a"},
    "tolerations": [{"key": "example.test/team-a", "operator": "Exists", "effect": "NoSchedule"}],
    "labels": {"example.test/cost-center": "4711"},
}
PROFILES = {"cluster": CLUSTER, "customer": CUSTOMER, "workspace": WORKSPACE}

CLAIMS: dict[str, Layered] = {
    "code-server": Layered.of(
        "code-server",
        {"exposure": "ingress", "storageGi": 20, "appName": "Team A", "gitUserName": "Ada"},
        {"value": "'4.140.0'", "image": {"name": "codercom/code-server", "part": "tag"}},
        **PROFILES,
    ),
    "litellm": Layered.of(
        "litellm",
        {
            "exposure": "nodeport",
            "numRetries": 5,
            "replicas": 3,
            "models": [
                {
                    "name": "chat",
                    "model": "chat",
                    "apiBase": "http://models.example.test/v1",
                    "apiKey": {"secretKeyRef": {"name": "mine", "key": "chat"}},
                }
            ],
        },
        {
            "from": "profile.parameters.hub",
            "patch": {"kind": "Deployment", "name": "litellm", "pointer": "/metadata/annotations/hub"},
        },
        **PROFILES,
    ),
    "vllm-server": Layered.of("vllm-server", {"storageGi": 70, "model": "acme/chat"}, **PROFILES),
}


@dataclass(frozen=True)
class Case:
    app: str
    place: str
    word: str
    source: str
    line: tuple[str, str] = ("", "")
    """Of a base's file: what stands there, and what else could."""

    def __str__(self) -> str:
        return f"{self.app}: {self.place}"


CASES = [
    # base: an object's file, the kustomization of the base, a structured file
    Case("code-server", "Deployment/code-server /spec/revisionHistoryLimit", "base", "apps/code-server/base/deployment.yaml",
         ("revisionHistoryLimit: 2", "revisionHistoryLimit: 3")),
    Case("litellm", "Service/litellm /spec/ports/0/port", "base", "apps/litellm/base/service.yaml",
         ("port: 80", "port: 81")),
    Case("vllm-server", f"Deployment/vllm-server {POD}/terminationGracePeriodSeconds", "base",
         "apps/vllm-server/base/deployment.yaml", ("terminationGracePeriodSeconds: ", "terminationGracePeriodSeconds: 1")),
    Case("litellm", "Deployment/litellm /metadata/labels/app.kubernetes.io~1component", "base",
         "apps/litellm/base/kustomization.yaml", ("component: gateway", "component: door")),
    Case("litellm", "ConfigMap/litellm-config /data/config.yaml#/general_settings/master_key", "base",
         "apps/litellm/base/config.yaml", ("LITELLM_MASTER_KEY", "OTHER_KEY")),
    # component: an object of its own, and a change of an object of the base
    Case("code-server", "Ingress/code-server /spec/rules/0/http/paths/0/pathType", "component",
         "apps/code-server/components/ingress/ingress.yaml"),
    Case("litellm", "Service/litellm /spec/type", "component", "apps/litellm/components/service-nodeport"),
    # mapping: from a value, by an expression, into a file, an image, replicas, from a profile
    Case("code-server", "PersistentVolumeClaim/code-server-home /spec/resources/requests/storage", "mapping",
         "values.storageGi (claim)"),
    Case("code-server", "Ingress/code-server /spec/rules/0/host", "mapping", "slug(claim.name"),
    Case("code-server", "ConfigMap/code-server-config /data/config.yaml#/app-name", "mapping", "values.appName (claim)"),
    Case("litellm", "ConfigMap/litellm-config /data/config.yaml#/litellm_settings/num_retries", "mapping",
         "values.numRetries (claim)"),
    Case("vllm-server", "ConfigMap/vllm-server-config /data/config.yaml#/model", "mapping", "values.model (claim)"),
    Case("litellm", "Deployment/litellm /spec/replicas", "mapping", "values.replicas (claim)"),
    Case("litellm", "ConfigMap/litellm-config /data/config.yaml#/model_list/0/model_name", "mapping", "values.models.map("),
    Case("litellm", "Deployment/litellm /metadata/annotations/hub", "mapping", "profile.parameters.hub (customer@1)"),
    # profiles: of the cluster, the customer and the workspace
    Case("code-server", "PersistentVolumeClaim/code-server-home /spec/storageClassName", "profile",
         "cluster@1: storageClass"),
    Case("code-server", "Ingress/code-server /spec/ingressClassName", "profile", "cluster@1: ingress.class"),
    Case("vllm-server", f"Deployment/vllm-server {POD}/runtimeClassName", "profile", "cluster@1: gpu.runtimeClass"),
    Case("litellm", f"Deployment/litellm {CONTAINER}/image", "profile", "customer@1: registry.prefix"),
    Case("litellm", f"Deployment/litellm {POD}/imagePullSecrets/0/name", "profile", "customer@1: registry.pullSecrets.0"),
    Case("vllm-server", f"Deployment/vllm-server {POD}/nodeSelector/example.test~1pool", "profile",
         "workspace@1: nodeSelector.example.test/pool"),
    Case("code-server", "Service/code-server /metadata/labels/example.test~1cost-center", "profile",
         "workspace@1: labels.example.test/cost-center"),
    # generated
    Case("code-server", "Secret/credentials /data/PASSWORD", "generated", "credentials: mappings["),
    Case("code-server", "ConfigMap/code-server-config /metadata/name", "generated", "content hash"),
    # platform
    Case("code-server", "Deployment/code-server /metadata/name", "platform", PlatformPart.NAME),
    Case("vllm-server", "Service/vllm-server /metadata/namespace", "platform", PlatformPart.NAMESPACE),
    Case("litellm", "Service/litellm /spec/selector/app.kubernetes.io~1instance", "platform", PlatformPart.LABEL),
    Case("litellm", "Deployment/litellm /metadata/annotations/ocdp.io~1owner", "platform", PlatformPart.MARK),
]  # fmt: skip


@pytest.fixture
async def lab(renderer: KustomizeRenderer, tmp_path: Path) -> AsyncIterator[Lab]:
    async with CelExpressions() as expressions:
        yield Lab(renderer, expressions, tmp_path)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_field_is_of_the_layer_without_which_it_is_another(case: Case, lab: Lab) -> None:
    layered = CLAIMS[case.app]
    found = (await lab.explain(layered))[case.place]
    assert (layer_word(found.layer), case.source in str(found.layer)) == (case.word, True), str(found.layer)
    after = await other_value(lab, layered, case, found.layer)
    assert after != found.value


async def other_value(lab: Lab, layered: Layered, case: Case, layer: Layer) -> Any:
    """What is there without the layer; None where nothing is."""
    called, _, pointer = case.place.partition(" ")
    if isinstance(layer, PlatformLayer):
        return value_at((await lab.bare(layered)).get(called), pointer)
    if layer == GeneratedLayer("content hash"):
        config = next(
            each for each in (await lab.explain(layered)).items() if "/data/config.yaml#" in each[0]
        )
        assert isinstance(config[1].layer, BaseLayer | MappingLayer)
        changed = layered.with_other(BaseLayer(f"apps/{case.app}/base/config.yaml", ""), ": true", ": false")
    elif isinstance(layer, BaseLayer):
        changed = layered.with_other(layer, *case.line)
    else:
        changed = layered.without(layer)
    try:
        return (await lab.values(changed)).get(case.place)
    except Stalled as error:
        raise_unless_of_the_domain(error)
        return None  # nothing may be sent without it


def raise_unless_of_the_domain(error: Stalled) -> None:
    """A host that the domain's profile or the host's mapping did not make is refused; no other refusal is a value."""
    if error.reason is not Reason.POLICY_DENIED or "must lie under" not in error.message:
        raise error


async def test_a_mapping_that_says_what_the_base_says_is_named_since_the_field_follows_it(lab: Lab):
    layered, place = CLAIMS["litellm"], f"Deployment/litellm {CONTAINER}/resources/limits/memory"
    found = (await lab.explain(layered))[place]
    assert isinstance(found.layer, MappingLayer)
    assert (await lab.values(layered.without(found.layer)))[place] == found.value
    other = replace(layered, values={**layered.values, "memory": "3Gi"})
    assert (await lab.values(other))[place] == "3Gi" != found.value


@pytest.mark.parametrize("app", CLAIMS)
async def test_every_field_of_every_application_has_a_layer_that_has_a_name(app: str, lab: Lab) -> None:
    layered = CLAIMS[app]
    fields = await lab.explain(layered)
    sent = (await lab.preview(layered)).desired.manifests
    assert len({place.partition(" ")[0] for place in fields}) == len(sent)
    assert {layer_word(each.layer) for each in fields.values()} >= {
        "base",
        "mapping",
        "profile",
        "generated",
        "platform",
    }
    unnamed = [
        place
        for place, each in fields.items()
        if each.layer in (PlatformLayer(PlatformPart.OTHER), PlatformLayer(PlatformPart.KEPT))
    ]
    assert unnamed == []


@pytest.mark.parametrize("app", CLAIMS)
async def test_without_a_mapping_or_a_field_of_a_profile_the_fields_of_other_layers_stay(
    app: str, lab: Lab
) -> None:
    """The differential render of each of them, over every field of every object."""
    layered = CLAIMS[app]
    before = await lab.explain(layered)
    layers = {each.layer for each in before.values() if isinstance(each.layer, ProfileLayer | MappingLayer)}
    for layer in sorted(layers, key=str):
        try:
            changed = await lab.changed(layered, layered.without(layer))
        except Stalled as error:
            raise_unless_of_the_domain(error)
            continue  # nothing may be sent without it
        others = {
            place
            for place in changed
            if before[place].layer != layer and not is_derived(before[place], layer)
        }
        assert not others, f"they follow {layer}, though something else is said to have set them"


def is_derived(found: FieldOrigin, layer: Layer) -> bool:
    """A hash, and the mark with it, follow the content; an image is its tag too, though the registry changed it last;
    and without an object of the profile its fields are gone too.
    """
    if isinstance(found.layer, GeneratedLayer) or found.layer == PlatformLayer(PlatformPart.MARK):
        return True
    if isinstance(found.layer, ProfileLayer) and isinstance(layer, ProfileLayer):
        return found.layer.field.startswith(f"{layer.field}.")
    return found.pointer.endswith("/image") and isinstance(layer, MappingLayer)
