"""What holds for every application: it builds by itself and as the operator builds it, and the operator lets it through."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ocdp_operator.model.kustomization import generated_config_maps
from ocdp_operator.model.names import MAX_CLAIM_NAME, MAX_OBJECT_NAME
from tests.support.app_renderings import (
    APPS,
    APPS_DIRECTORY,
    CLAIM,
    COMPONENTS,
    Build,
    Objects,
    app_files,
    container,
    example_values,
    named,
    on_base,
    pod,
    rendered,
)

SEAM = "credentials"
CONTENT_HASH = re.compile(r"-[2456789bcdfghkmt]{10}$")
RECOMMENDED = {f"app.kubernetes.io/{label}" for label in ("name", "component", "part-of", "managed-by")}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
SELECTORS = {
    "Deployment": ("selector", "matchLabels"),
    "Service": ("selector",),
    "NetworkPolicy": ("podSelector", "matchLabels"),
    "PodDisruptionBudget": ("selector", "matchLabels"),
}
EXPOSURES = {"service-nodeport": "NodePort", "service-loadbalancer": "LoadBalancer"}
EXAMPLES = [pytest.param(app, values, id=f"{app} {values}") for app in APPS for values in example_values(app)]
FULLEST = [(app, max(example_values(app), key=lambda values: len(str(values)))) for app in APPS]


def selectors(objects: Objects) -> dict[str, dict[str, str]]:
    """Which pods each object means."""
    found = {}
    for name, body in objects.items():
        if body["kind"] in SELECTORS:
            place = body["spec"]
            for step in SELECTORS[body["kind"]]:
                place = place[step]
            found[name] = place
    return found


def seam_keys(objects: Objects) -> set[str]:
    """Keys of the Secret that the container cannot start without."""
    references = [env.get("valueFrom", {}).get("secretKeyRef", {}) for env in container(objects)["env"]]
    return {each["key"] for each in references if each and not each["optional"]}


def secret_names(objects: Objects) -> set[str]:
    one = [env.get("valueFrom", {}).get("secretKeyRef") for env in container(objects)["env"]]
    whole = [source.get("secretRef") for source in container(objects).get("envFrom", ())]
    return {each["name"] for each in (*one, *whole) if each}


def test_there_are_three_applications_with_the_three_ways_to_reach_them():
    assert APPS == ["code-server", "litellm", "vllm-server"]
    for app in APPS:
        for component in ("ingress", "service-loadbalancer", "service-nodeport"):
            assert f"apps/{app}/components/{component}" in COMPONENTS


@pytest.mark.parametrize("app", APPS)
async def test_a_base_builds_by_itself_without_a_secret(build: Build, app: str):
    objects = await build(on_base(app))
    assert {"ServiceAccount", "Service", "Deployment", "ConfigMap"} <= {b["kind"] for b in objects.values()}
    assert not [name for name in objects if name.startswith("Secret/")]
    assert secret_names(objects) == {SEAM}
    assert named(objects, "Service/")["spec"]["type"] == "ClusterIP"


@pytest.mark.parametrize("component", COMPONENTS)
async def test_a_name_leaves_room_for_the_longest_name_of_a_claim(build: Build, component: str):
    _, app, _, name = component.split("/")
    for body in (await build(on_base(app, name))).values():
        known_as = CONTENT_HASH.sub("", body["metadata"]["name"])
        assert known_as.startswith(app)
        assert MAX_CLAIM_NAME + len(f"-{known_as}") <= MAX_OBJECT_NAME


@pytest.mark.parametrize("app", APPS)
async def test_what_a_base_generates_is_its_config_alone(build: Build, app: str):
    objects = await build(on_base(app))
    assert named(objects, f"ConfigMap/{app}-config-")["data"].keys() == {"config.yaml"}
    assert f"{app}-config" in generated_config_maps(app_files())


@pytest.mark.parametrize("component", [each for each in COMPONENTS if not each.endswith("/cpu-only")])
async def test_a_component_changes_one_object_and_no_other(build: Build, component: str):
    _, app, _, name = component.split("/")
    before = await build(on_base(app))
    after = await build(on_base(app, name))
    assert before.keys() <= after.keys()
    assert len([each for each in after if after[each] != before.get(each)]) == 1


@pytest.mark.parametrize("component", COMPONENTS)
async def test_no_component_chooses_a_node_port(build: Build, component: str):
    _, app, _, name = component.split("/")
    service = named(await build(on_base(app, name)), "Service/")
    assert service["spec"]["type"] == EXPOSURES.get(name, "ClusterIP")
    assert service["spec"]["ports"] == [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"}]


@pytest.mark.parametrize("component", COMPONENTS)
async def test_every_object_says_what_it_is(build: Build, component: str):
    _, app, _, name = component.split("/")
    for body in (await build(on_base(app, name))).values():
        labels = body["metadata"]["labels"]
        assert labels.keys() >= RECOMMENDED, body["kind"]
        assert labels["app.kubernetes.io/name"] == app


@pytest.mark.parametrize("component", COMPONENTS)
async def test_what_selects_pods_by_itself_goes_by_the_name_alone(build: Build, component: str):
    _, app, _, name = component.split("/")
    for said in selectors(await build(on_base(app, name))).values():
        assert said == {"app.kubernetes.io/name": app}


@pytest.mark.parametrize(("app", "values"), EXAMPLES)
async def test_every_example_of_a_template_is_let_through(build: Build, app: str, values: dict[str, Any]):
    objects = await rendered(build, app, values)
    assert {body["metadata"]["namespace"] for body in objects.values()} == {"team-a"}
    assert all(
        body["metadata"]["name"].startswith(f"{CLAIM}-{app}")
        for body in objects.values()
        if body["kind"] != "Secret"
    )


@pytest.mark.parametrize(("app", "values"), EXAMPLES)
async def test_only_the_claims_own_pods_are_selected(build: Build, app: str, values: dict[str, Any]):
    objects = await rendered(build, app, values)
    own = {"app.kubernetes.io/name": app, "app.kubernetes.io/instance": CLAIM}
    found = selectors(objects)
    assert {name.split("/")[0] for name in found} >= {"Deployment", "Service"}
    assert all(said == own for said in found.values()), found
    labels = named(objects, "Deployment/")["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= own.items()


@pytest.mark.parametrize(("app", "values"), FULLEST)
async def test_references_follow_the_names(build: Build, app: str, values: dict[str, Any]):
    objects = await rendered(build, app, values)
    volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}
    assert pod(objects)["serviceAccountName"] == f"{CLAIM}-{app}"
    assert f"ConfigMap/{volumes['config']['configMap']['name']}" in objects
    assert secret_names(objects) == {f"{CLAIM}-credentials"}
    for volume in volumes.values():
        if "persistentVolumeClaim" in volume:
            assert f"PersistentVolumeClaim/{volume['persistentVolumeClaim']['claimName']}" in objects


@pytest.mark.parametrize("app", APPS)
async def test_the_pod_is_hardened_beyond_what_the_policy_asks(build: Build, app: str):
    objects = await build(on_base(app))
    context = pod(objects)["securityContext"]
    assert container(objects)["securityContext"]["readOnlyRootFilesystem"] is True
    assert context["runAsUser"] > 0
    assert {"runAsGroup", "fsGroup"} <= context.keys()
    assert pod(objects)["enableServiceLinks"] is False
    assert pod(objects)["automountServiceAccountToken"] is False
    assert pod(objects)["serviceAccountName"] == app


@pytest.mark.parametrize("app", APPS)
async def test_the_pod_is_given_time_to_start_and_to_end(build: Build, app: str):
    objects = await build(on_base(app))
    deployment, only = named(objects, "Deployment/")["spec"], container(objects)
    assert all(only[probe]["httpGet"]["port"] == "http" for probe in PROBES)
    assert all(only[probe]["timeoutSeconds"] > 1 for probe in PROBES)
    startup = only["startupProbe"]["periodSeconds"] * only["startupProbe"]["failureThreshold"]
    assert deployment.get("progressDeadlineSeconds", 600) >= startup + 300
    assert only["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    assert pod(objects)["terminationGracePeriodSeconds"] >= 30
    assert only["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("app", APPS)
async def test_an_image_is_pinned_to_a_version(build: Build, app: str):
    image = container(await build(on_base(app)))["image"]
    assert re.fullmatch(r"[a-z0-9./_-]+:v?\d+\.\d+\.\d+", image)


@pytest.mark.parametrize("app", APPS)
async def test_the_readme_says_how_to_make_the_secret(build: Build, app: str):
    readme = (APPS_DIRECTORY / app / "README.md").read_text()
    (command,) = re.findall(rf"^kubectl create secret generic {SEAM} .*$", readme, re.MULTILINE)
    keys = set(re.findall(r"--from-literal=(\w+)=", command))
    assert keys == seam_keys(await build(on_base(app)))


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_readme_says_what_each_component_does(component: str):
    _, app, _, name = component.split("/")
    assert f"`components/{name}`" in (APPS_DIRECTORY / app / "README.md").read_text()
