"""The applications build by themselves and as the operator builds them, and the operator lets the result through.

Needs kustomize where `make setup` puts it; without it these tests are skipped, and `make test` never is without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.binaries import Assets, Cache, cache_directory
from ocdp_operator.dev.recipes import RECIPES
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.kustomization import generated_config_maps
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.publication import TemplateEntry, parse_entries
from ocdp_operator.model.source import Rendering
from ocdp_operator.model.template import CatalogAnswer, Placement, ResolvedWorkload, TemplateRevision
from ocdp_operator.plan import policy
from ocdp_operator.plan.overlay import build_overlay
from ocdp_operator.plan.resolve import resolve

ROOT = Path(__file__).parents[2]
APPS = ROOT / "apps"
BASES = sorted(str(path.parent.relative_to(ROOT)) for path in APPS.glob("*/base/kustomization.yaml"))
COMPONENTS = sorted(
    str(path.parent.relative_to(ROOT)) for path in APPS.glob("*/components/*/kustomization.yaml")
)
SELECTED = {"app.kubernetes.io/name": "code-server", "app.kubernetes.io/instance": "ide"}
DOMAIN = "apps.example.test"

Objects = dict[str, dict[str, Any]]
"""``Kind/name`` -> manifest."""
Build = Callable[[Mapping[str, bytes]], Awaitable[Objects]]


def app_files() -> dict[str, bytes]:
    """Everything under apps/, by its path in the repository."""
    return {str(path.relative_to(ROOT)): path.read_bytes() for path in APPS.rglob("*") if path.is_file()}


def kustomization(**fields: Any) -> bytes:
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return yaml.safe_dump(kind | fields).encode()


@pytest.fixture(scope="module")
async def kustomize() -> Path:
    (recipe,) = (recipe for recipe in RECIPES if recipe.name == "kustomize")
    for place in (Assets(), Cache(cache_directory())):
        answer = await place.find(recipe)
        if answer.path is not None:
            return answer.path
    pytest.skip("there is no kustomize yet: run `make setup`")


@pytest.fixture
def build(kustomize: Path, tmp_path: Path) -> Build:
    """Renders an overlay, which lies beside ``source``, the repository's root."""

    def write(overlay: Mapping[str, bytes]) -> None:
        files = {f"source/{path}": content for path, content in app_files().items()}
        files |= {f"overlay/{path}": content for path, content in overlay.items()}
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)

    async def run(overlay: Mapping[str, bytes]) -> Objects:
        write(overlay)
        child = await asyncio.create_subprocess_exec(
            str(kustomize),
            "build",
            str(tmp_path / "overlay"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
        )
        output, errors = await child.communicate()
        assert child.returncode == 0, errors.decode()
        assert not errors, errors.decode()
        documents = [document for document in yaml.safe_load_all(output) if document]
        return {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}

    return run


def code_server(**values: Any) -> ResolvedWorkload:
    """The claim ``ide`` for the example template, with these values."""
    data = (ROOT / "examples" / "templates" / "code-server.yaml").read_bytes()
    (entry,) = parse_entries(data, name="code-server.yaml", entry=TemplateEntry)
    claim = WorkloadClaim.parse(
        {
            "metadata": {"name": "ide", "namespace": "team-a", "uid": "u", "resourceVersion": "1"},
            "spec": {"templateId": entry.id, "workspaceId": "team-a", "values": values},
        }
    )
    answer = CatalogAnswer(
        template_exists=True,
        granted=True,
        placement=Placement("team-a", "acme", "team-a"),
        namespace_workspace="team-a",
        revision=TemplateRevision(entry.id, 1, entry.pinned("1" * 40), entry.body),
    )
    return resolve(claim, answer, succeeded_before=False)


async def rendered(build: Build, **values: Any) -> Objects:
    """What the operator would apply for these values, before it is stamped; the policy let it through."""
    workload = code_server(**values)
    objects = await build(build_overlay(workload, app_files()).files)
    rendering = Rendering(tuple(Manifest.of(body) for body in objects.values()))
    policy.check(rendering, workload, policy.Limits(ingress_domains=(DOMAIN,)))
    return objects


def named(objects: Objects, prefix: str) -> dict[str, Any]:
    """The one object whose ``Kind/name`` begins so."""
    (name,) = (name for name in objects if name.startswith(prefix))
    return objects[name]


def container(objects: Objects) -> dict[str, Any]:
    (only,) = named(objects, "Deployment/")["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("base", BASES)
async def test_a_base_builds_by_itself_without_a_secret(build: Build, base: str):
    objects = await build({"kustomization.yaml": kustomization(resources=[f"../source/{base}"])})
    assert objects
    assert not [name for name in objects if name.startswith("Secret/")]


@pytest.mark.parametrize("component", COMPONENTS)
async def test_a_component_changes_one_object_and_no_other(build: Build, component: str):
    base = f"../source/{Path(component).parents[1] / 'base'}"
    before = await build({"kustomization.yaml": kustomization(resources=[base])})
    after = await build(
        {"kustomization.yaml": kustomization(resources=[base], components=[f"../source/{component}"])}
    )
    assert before.keys() <= after.keys()
    assert len([name for name in after if after[name] != before.get(name)]) == 1


@pytest.mark.parametrize("values", code_server().revision.body.examples, ids=str)
async def test_every_example_of_the_template_is_let_through(build: Build, values: dict[str, Any]):
    objects = await rendered(build, **values)
    assert {body["metadata"]["namespace"] for body in objects.values()} == {"team-a"}
    assert all(body["metadata"]["name"].startswith("ide-") for body in objects.values())


async def test_the_objects_of_a_claim_are_the_expected_ones(build: Build):
    objects = await rendered(build)
    assert {name for name in objects if not name.startswith("ConfigMap/")} == {
        "ServiceAccount/ide-code-server",
        "Secret/ide-credentials",
        "PersistentVolumeClaim/ide-code-server-home",
        "Service/ide-code-server",
        "Deployment/ide-code-server",
    }
    assert named(objects, "ConfigMap/ide-code-server-config-")
    assert generated_config_maps(app_files()) >= {"code-server-config"}


async def test_references_follow_the_names(build: Build):
    objects = await rendered(build)
    pod = named(objects, "Deployment/")["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    (password,) = (env for env in container(objects)["env"] if env["name"] == "PASSWORD")
    assert pod["serviceAccountName"] == "ide-code-server"
    assert volumes["home"]["persistentVolumeClaim"]["claimName"] == "ide-code-server-home"
    assert f"ConfigMap/{volumes['config']['configMap']['name']}" in objects
    assert password["valueFrom"]["secretKeyRef"] == {
        "name": "ide-credentials",
        "key": "PASSWORD",
        "optional": False,
    }


async def test_only_the_claims_own_pods_are_selected(build: Build):
    objects = await rendered(build)
    deployment = named(objects, "Deployment/")["spec"]
    assert deployment["selector"]["matchLabels"] == SELECTED
    assert named(objects, "Service/")["spec"]["selector"] == SELECTED
    assert deployment["template"]["metadata"]["labels"].items() >= SELECTED.items()


async def test_values_reach_the_objects(build: Build):
    objects = await rendered(build, storageGi=33, cpu="4", memory="8Gi", appName="Team A")
    volume = named(objects, "PersistentVolumeClaim/")
    assert volume["spec"]["resources"]["requests"]["storage"] == "33Gi"
    assert container(objects)["resources"]["limits"] == {"cpu": "4", "memory": "8Gi"}
    config = yaml.safe_load(named(objects, "ConfigMap/")["data"]["config.yaml"])
    assert config["app-name"] == "Team A"
    assert config["auth"] == "password"


async def test_a_changed_setting_gives_the_config_another_name(build: Build):
    plain = await rendered(build)
    titled = await rendered(build, appName="Team A")
    assert plain.keys() != titled.keys()


@pytest.mark.parametrize(
    ("exposure", "type_"),
    [("clusterip", "ClusterIP"), ("nodeport", "NodePort"), ("loadbalancer", "LoadBalancer")],
)
async def test_an_exposure_sets_the_type_of_the_service(build: Build, exposure: str, type_: str):
    objects = await rendered(build, exposure=exposure)
    (port,) = named(objects, "Service/")["spec"]["ports"]
    assert named(objects, "Service/")["spec"]["type"] == type_
    assert port == {"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"}


async def test_the_ingress_has_the_users_host_and_the_claims_service(build: Build):
    objects = await rendered(build, exposure="ingress", host=f"ide.{DOMAIN}")
    (rule,) = named(objects, "Ingress/")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert rule["host"] == f"ide.{DOMAIN}"
    assert path["backend"]["service"]["name"] == "ide-code-server"
    assert named(objects, "Service/")["spec"]["type"] == "ClusterIP"


async def test_the_pod_is_hardened_beyond_what_the_policy_asks(build: Build):
    objects = await rendered(build)
    pod = named(objects, "Deployment/")["spec"]["template"]["spec"]
    writable = {
        mount["mountPath"] for mount in container(objects)["volumeMounts"] if not mount.get("readOnly")
    }
    assert container(objects)["securityContext"]["readOnlyRootFilesystem"] is True
    assert writable == {"/home/coder", "/tmp"}
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert container(objects)["resources"].keys() == {"requests", "limits"}


async def test_the_image_is_pinned_to_a_version(build: Build):
    image = container(await rendered(build))["image"]
    assert image.rpartition(":")[2][0].isdigit()


def test_the_config_file_turns_on_only_what_it_says():
    """code-server takes any boolean for true, and an empty value for an error."""
    config = yaml.safe_load((APPS / "code-server" / "base" / "config.yaml").read_text())
    assert all(value is True or (isinstance(value, str) and value) for value in config.values())
