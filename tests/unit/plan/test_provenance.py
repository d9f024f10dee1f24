"""Which layer set a field: renderings with one layer more each, and mappings that set what is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.model.mapping import Mapping_
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.profile import Environment, ProfileRef
from ocdp_operator.model.provenance import (
    BaseLayer,
    ComponentLayer,
    GeneratedLayer,
    Giver,
    MappingLayer,
    PlatformLayer,
    PlatformPart,
    ProfileLayer,
    Provenance,
    layer_word,
)
from ocdp_operator.model.secrets import GenerateRule, SecretReference, SecretUse, SecretValue
from ocdp_operator.model.source import Artifact, Rendering
from ocdp_operator.model.template import Bound
from ocdp_operator.plan.base_layers import base_traces, component_layer, without_origin
from ocdp_operator.plan.layers import Naming, Stem, Traces, always, over
from ocdp_operator.plan.mapping_layers import mapping_layer, with_target
from ocdp_operator.plan.profile_layers import with_environment_layers
from ocdp_operator.plan.provenance import MASK, finished, platform_layer, stamp_layer
from ocdp_operator.plan.tracing import leaves
from tests.support.builders import COMMIT, resolved, template

BASE = BaseLayer("web/base/web.yaml", COMMIT)
NAMING = Naming("ide-", frozenset({"web-config"}))
HASHED = "ide-web-config-bbcdfghkmt"
LAYER = MappingLayer(0, "values.it", Giver.CLAIM)
ACME = ProfileRef(id="acme", revision=2)


def manifest(kind: str, name: str, **body: Any) -> Manifest:
    versions = {"Deployment": "apps/v1"}
    metadata = {"name": name} | body.pop("metadata", {})
    return Manifest.of({"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata} | body)


def deployment(**container: Any) -> Manifest:
    spec = {"replicas": 1, "template": {"spec": {"containers": [{"name": "web"} | container]}}}
    return manifest("Deployment", "ide-web", spec=spec)


def traces(*manifests: Manifest) -> Traces:
    return over({}, manifests, NAMING, always(BASE))


def of_layer(found: Traces, layer: object) -> set[str]:
    return {
        f"{stem.kind}{pointer}"
        for stem, node in found.items()
        for pointer, leaf in leaves(node)
        if leaf.layer == layer
    }


CONTAINER = "/spec/template/spec/containers/0"
TARGETS: dict[str, tuple[Manifest, dict[str, Any], Any, set[str]]] = {
    "a patch that says what is there": (
        deployment(image="web:1"),
        {"patch": {"kind": "Deployment", "name": "web", "pointer": "/spec/replicas"}},
        1,
        {"Deployment/spec/replicas"},
    ),
    "a patch of a whole map": (
        deployment(resources={"limits": {"cpu": "1", "memory": "1Gi"}}),
        {"patch": {"kind": "Deployment", "name": "web", "pointer": f"{CONTAINER}/resources/limits"}},
        {"cpu": "1"},
        {f"Deployment{CONTAINER}/resources/limits/cpu"},
    ),
    "a patch at the end of a list": (
        deployment(args=["serve", "--fast"]),
        {"patch": {"kind": "Deployment", "name": "web", "pointer": f"{CONTAINER}/args/-"}},
        "--fast",
        {f"Deployment{CONTAINER}/args/1"},
    ),
    "a patch whose value something else changed afterwards": (
        deployment(image="mirror/web:1"),
        {"patch": {"kind": "Deployment", "name": "web", "pointer": f"{CONTAINER}/image"}},
        "web:1",
        set(),
    ),
    "a patch of another object": (
        deployment(),
        {"patch": {"kind": "Deployment", "name": "other", "pointer": "/spec/replicas"}},
        1,
        set(),
    ),
    "a field of a file": (
        manifest("ConfigMap", HASHED, data={"c.yaml": "a: {b: 1}\nc: 1\n"}),
        {"configFile": {"configMap": "web-config", "file": "c.yaml", "pointer": "/a/b"}},
        1,
        {"ConfigMap/data/c.yaml#/a/b"},
    ),
    "a variable of an env file": (
        manifest("ConfigMap", HASHED, data={"SIZE": "3", "OTHER": "3"}),
        {"configFile": {"configMap": "web-config", "file": "web.env", "pointer": "/SIZE"}},
        3,
        {"ConfigMap/data/SIZE"},
    ),
    "a line of an env file that is kept whole": (
        manifest("ConfigMap", HASHED, data={"web.env": "SIZE=3\n# note\nOTHER=3\n"}),
        {"configFile": {"configMap": "web-config", "file": "web.env", "pointer": "/SIZE"}},
        "3",
        {"ConfigMap/data/web.env#/SIZE"},
    ),
    "replicas": (deployment(), {"replicas": {"name": "web"}}, 1, {"Deployment/spec/replicas"}),
    "the tag of an image": (
        deployment(image="registry:5000/web:1"),
        {"image": {"name": "registry:5000/web", "part": "tag"}},
        "1",
        {f"Deployment{CONTAINER}/image"},
    ),
    "the tag of another image": (
        deployment(image="other:1"),
        {"image": {"name": "web", "part": "tag"}},
        "1",
        set(),
    ),
    "the name of an image": (
        deployment(image="mirror/web:1"),
        {"image": {"name": "web", "part": "name"}},
        "mirror/web",
        {f"Deployment{CONTAINER}/image"},
    ),
    "the digest of an image": (
        deployment(image="web@sha256:0a"),
        {"image": {"name": "web", "part": "digest"}},
        "sha256:0a",
        {f"Deployment{CONTAINER}/image"},
    ),
}


@pytest.mark.parametrize(("found", "target", "value", "expected"), TARGETS.values(), ids=TARGETS.keys())
def test_a_mapping_that_sets_what_is_there_already_is_named(
    found: Manifest, target: dict[str, Any], value: Any, expected: set[str]
) -> None:
    bound = Bound(0, Mapping_.model_validate({"from": "values.it"} | target), value)
    assert of_layer(with_target(traces(found), bound, LAYER), LAYER) == expected


def test_a_layer_sets_what_its_rendering_changes_and_nothing_else() -> None:
    before = traces(deployment(image="web:1"))
    after = over(before, [deployment(image="web:2", tty=True)], NAMING, always(LAYER))
    assert of_layer(after, LAYER) == {f"Deployment{CONTAINER}/image", f"Deployment{CONTAINER}/tty"}


def test_a_generated_config_map_is_the_same_under_another_hash() -> None:
    before = traces(manifest("ConfigMap", HASHED, data={"c.yaml": "a: 1\nb: 1\n"}))
    changed = manifest("ConfigMap", "ide-web-config-2456789bcd", data={"c.yaml": '{"a": 1, "b": 2}'})
    after = over(before, [changed], NAMING, always(LAYER))
    assert of_layer(after, LAYER) == {"ConfigMap/data/c.yaml#/b", "ConfigMap/metadata/name"}
    fields = {each.pointer: each for each in finished(after, [changed], NAMING).objects[changed.ref]}
    assert fields["/metadata/name"].layer == GeneratedLayer("content hash")


def test_an_object_that_is_gone_has_no_fields() -> None:
    assert not over(traces(deployment()), [], NAMING, always(LAYER))


GIVERS: dict[str, tuple[str | None, Giver, ProfileRef | None]] = {
    "values.given": ("values.given", Giver.CLAIM, None),
    "values.deep.given": ("values.deep.given", Giver.CLAIM, None),
    "a default": ("values.default", Giver.TEMPLATE, None),
    "below what was given": ("values.given.below", Giver.TEMPLATE, None),
    "a profile's": ("profile.parameters.hub", Giver.PROFILE, ACME),
    "several fields of a profile": ("profile.parameters", Giver.PROFILE, ACME),
    "a fact": ("workspace.id", Giver.PLATFORM, None),
    "an expression": (None, Giver.EXPRESSION, None),
}


@pytest.mark.parametrize(("path", "giver", "profile"), GIVERS.values(), ids=GIVERS.keys())
def test_a_mapping_tells_who_gave_its_value(
    path: str | None, giver: Giver, profile: ProfileRef | None
) -> None:
    said = {"from": path} if path else {"value": "1 + 1"}
    workload = resolved(
        revision=template(mappings=[said | {"replicas": {"name": "web"}}]),
        environment=Environment({"parameters": {"hub": "x"}}, {"/parameters/hub": ACME}, (ACME,)),
    )
    layer = mapping_layer(0, workload, {"given": 1, "deep": {"given": None}})
    assert layer == MappingLayer(0, path or "1 + 1", giver, profile)


ORIGIN = "config.kubernetes.io/origin"
CHANGED = "alpha.config.kubernetes.io/transformations"
FILES = {
    "web/base/kustomization.yaml": (
        b"resources: [web.yaml]\n"
        b"configMapGenerator:\n- name: web-config\n  files: [c.yaml]\n- name: web-config\n  envs: [web.env]\n"
    ),
    "web/base/web.yaml": b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n",
    "web/base/c.yaml": b"a: 1\n",
    "web/base/web.env": b"SIZE=3\n",
}


def annotated(kind: str, name: str, origin: str, **body: Any) -> Manifest:
    changed = "- configuredIn: ../source/web/base/kustomization.yaml\n"
    return manifest(kind, name, metadata={"annotations": {ORIGIN: origin, CHANGED: changed}}, **body)


def test_fields_of_the_base_are_of_their_file_or_of_the_kustomization() -> None:
    spec = {"replicas": 1, "paused": True}
    config = {"c.yaml": "a: 1\n", "SIZE": "3", "literal": "x"}
    bare = Rendering(
        (
            annotated("Deployment", "web", "path: ../source/web/base/web.yaml\n", spec=spec),
            annotated(
                "ConfigMap",
                "web-config-bbcdfghkmt",
                "configuredIn: ../source/web/base/kustomization.yaml\n",
                data=config,
            ),
        )
    )
    artifact = Artifact(COMMIT, Path(), FILES)
    source = template().source
    found = base_traces(bare, source, artifact, NAMING)
    kustomization = BaseLayer("web/base/kustomization.yaml", COMMIT)
    assert of_layer(found, BASE) >= {"Deployment/spec/replicas", "Deployment/metadata/name"}
    assert of_layer(found, kustomization) >= {"Deployment/spec/paused", "ConfigMap/data/literal"}
    assert of_layer(found, BaseLayer("web/base/c.yaml", COMMIT)) == {"ConfigMap/data/c.yaml#/a"}
    assert of_layer(found, BaseLayer("web/base/web.env", COMMIT)) == {"ConfigMap/data/SIZE"}
    assert all("annotations" not in pointer for pointer in of_layer(found, kustomization))


def test_a_component_is_named_with_its_file_and_with_the_value_that_chose_it() -> None:
    mappings = [{"from": "values.exposure", "components": {"ingress": "web/components/ingress"}}]
    workload = resolved(revision=template(mappings=mappings))
    more = annotated("Service", "more", "path: ../source/web/components/ingress/more.yaml\n")
    rendering = Rendering((more, manifest("Service", "web", spec={"type": "NodePort"})))
    layer_at = component_layer("web/components/ingress", workload, rendering, NAMING)
    assert layer_at(Stem("", "Service", "more"), "/kind") == ComponentLayer(
        "web/components/ingress", COMMIT, "web/components/ingress/more.yaml", "values.exposure"
    )
    assert layer_at(Stem("", "Service", "web"), "/spec/type") == ComponentLayer(
        "web/components/ingress", COMMIT, "", "values.exposure"
    )
    assert "annotations" not in without_origin(rendering).manifests[0].body["metadata"]


PARTS: dict[str, tuple[str, PlatformPart]] = {
    "its name": ("/metadata/name", PlatformPart.NAME),
    "a reference": ("/spec/template/spec/volumes/0/persistentVolumeClaim/claimName", PlatformPart.NAME),
    "its namespace": ("/metadata/namespace", PlatformPart.NAMESPACE),
    "a label": ("/metadata/labels/ocdp.io~1claim-uid", PlatformPart.LABEL),
    "a selector": ("/spec/selector/app.kubernetes.io~1instance", PlatformPart.LABEL),
    "the mark": ("/metadata/annotations/ocdp.io~1owner", PlatformPart.MARK),
    "the version of credentials": (
        "/spec/template/metadata/annotations/ocdp.io~1credentials-version",
        PlatformPart.CREDENTIALS,
    ),
    "which keys are generated": ("/metadata/annotations/ocdp.io~1generated-keys", PlatformPart.CREDENTIALS),
    "retention": ("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted", PlatformPart.RETENTION),
    "a volume that grew": ("/spec/resources/requests/storage", PlatformPart.KEPT),
    "a set's volume that grew": (
        "/spec/volumeClaimTemplates/0/spec/resources/requests/storage",
        PlatformPart.KEPT,
    ),
    "what was asked for of it": ("/metadata/annotations/ocdp.io~1grown-from", PlatformPart.KEPT),
    "stopped": ("/spec/replicas", PlatformPart.STATE),
    "stopped, a Job": ("/spec/suspend", PlatformPart.STATE),
    "anything else": ("/spec/paused", PlatformPart.OTHER),
}


@pytest.mark.parametrize(("pointer", "part"), PARTS.values(), ids=PARTS.keys())
def test_what_the_operator_adds_is_named_by_its_place(pointer: str, part: PlatformPart) -> None:
    assert platform_layer(Stem("apps", "StatefulSet", "web"), pointer) == PlatformLayer(part)


def test_keys_of_the_credentials_secret_are_generated_or_of_a_mapping_and_always_masked() -> None:
    mappings = [
        {"from": f"values.{name}", "secret": {"key": name.upper()}} for name in ("password", "token", "url")
    ]
    generated, given = (SecretValue((name,), origin) for name, origin in ORIGINS.items())
    workload = resolved(
        revision=template(mappings=mappings),
        secrets=(
            SecretUse("PASSWORD", (generated,), 0),
            SecretUse("TOKEN", (given,), 1),
            SecretUse("URL", ("https://u:", given), 2),
        ),
    )
    secret = manifest("Secret", "ide-credentials", data={"PASSWORD": "cA==", "TOKEN": "dA==", "URL": "dQ=="})
    found = over({}, [secret], NAMING, stamp_layer(workload, {"token": {}, "url": {}}))
    fields = {each.pointer: each for each in finished(found, [secret], NAMING).objects[secret.ref]}
    assert fields["/data/PASSWORD"].layer == GeneratedLayer("credentials: mappings[0]")
    assert fields["/data/TOKEN"].layer == MappingLayer(1, "values.token", Giver.CLAIM)
    assert {fields[f"/data/{key}"].value for key in ("PASSWORD", "TOKEN", "URL")} == {MASK}


ORIGINS = {"password": GenerateRule(), "token": SecretReference("mine", "token")}


def environment(fields: dict[str, Any], **origins: str) -> Environment:
    refs = {f"/{at.replace('__', '/')}": ProfileRef(id=name, revision=1) for at, name in origins.items()}
    return Environment(fields, refs, tuple(dict.fromkeys(refs.values())))


def test_a_field_of_the_environment_is_named_though_the_base_says_the_same() -> None:
    def apply(environment: Environment) -> Rendering:
        fields = environment.fields
        spec: dict[str, Any] = {"storageClassName": fields.get("storageClass", "fast"), "size": 1}
        labels = {"team": "x"} | fields.get("labels", {})
        return Rendering(
            (manifest("PersistentVolumeClaim", "ide-home", spec=spec, metadata={"labels": labels}),)
        )

    before = over({}, apply(Environment()).manifests, NAMING, always(BASE))
    merged = environment(
        {"storageClass": "fast", "labels": {"cost": "7"}, "parameters": {"hub": "x"}},
        storageClass="west",
        labels__cost="acme",
        parameters__hub="acme",
    )
    after = with_environment_layers(before, apply, merged, NAMING)
    west, acme = ProfileRef(id="west", revision=1), ProfileRef(id="acme", revision=1)
    kind = "PersistentVolumeClaim"
    assert of_layer(after, ProfileLayer(west, "storageClass")) == {f"{kind}/spec/storageClassName"}
    assert of_layer(after, ProfileLayer(acme, "labels.cost")) == {f"{kind}/metadata/labels/cost"}
    assert f"{kind}/spec/size" in of_layer(after, BASE)


def test_what_follows_no_field_is_kept_as_it_lives() -> None:
    def apply(_: Environment) -> Rendering:
        return Rendering((manifest("PersistentVolumeClaim", "ide-home", spec={"storageClassName": "old"}),))

    before = over({}, [manifest("PersistentVolumeClaim", "ide-home", spec={"size": 1})], NAMING, always(BASE))
    after = with_environment_layers(
        before, apply, environment({"storageClass": "new"}, storageClass="west"), NAMING
    )
    assert of_layer(after, PlatformLayer(PlatformPart.KEPT)) == {
        "PersistentVolumeClaim/spec/storageClassName"
    }


def test_a_field_that_no_rendering_can_do_without_is_found_by_another_value() -> None:
    def apply(environment: Environment) -> Rendering:
        if "gpu" not in environment.fields:
            raise ValueError
        name = environment.fields["gpu"]["resource"]
        return Rendering((deployment(resources={"limits": {name: 1}}),))

    merged = environment({"gpu": {"resource": "nvidia.com/gpu"}}, gpu__resource="west")
    before = over({}, [deployment(resources={"limits": {"cpu": 1}})], NAMING, always(BASE))
    after = with_environment_layers(before, apply, merged, NAMING)
    west = ProfileRef(id="west", revision=1)
    assert of_layer(after, ProfileLayer(west, "gpu.resource")) == {
        f"Deployment{CONTAINER}/resources/limits/nvidia.com~1gpu"
    }


def test_every_kind_of_layer_has_a_word_and_a_text() -> None:
    layers = (
        BASE,
        ComponentLayer("web/components/x", COMMIT, source="values.x"),
        LAYER,
        ProfileLayer(ACME, "storageClass"),
        GeneratedLayer("content hash"),
        PlatformLayer(PlatformPart.MARK),
    )
    assert [f"{layer_word(each)} {each}" for each in layers] == [
        "base web/base/web.yaml@c0ffee00c0ff",
        "component web/components/x@c0ffee00c0ff (values.x)",
        "mapping mappings[0]: values.it (claim)",
        "profile acme@2: storageClass",
        "generated content hash",
        "platform mark",
    ]
    assert Provenance({}).objects == {}
