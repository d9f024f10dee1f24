"""The applications of ``apps/`` as kustomize builds them: by themselves, and as the operator builds them for a claim."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ocdp_operator.dev.process import run
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.model.publication import TemplateEntry, parse_entries
from ocdp_operator.model.source import Rendering
from ocdp_operator.model.template import CatalogAnswer, Placement, ResolvedWorkload, TemplateRevision
from ocdp_operator.plan import policy
from ocdp_operator.plan.environment import with_environment
from ocdp_operator.plan.overlay import build_overlay
from ocdp_operator.plan.resolve import resolve
from tests.support.binding import bound

ROOT = Path(__file__).parents[2]
APPS_DIRECTORY = ROOT / "apps"
APPS = sorted(path.parent.name for path in APPS_DIRECTORY.glob("*/base"))
COMPONENTS = sorted(
    str(path.parent.relative_to(ROOT)) for path in APPS_DIRECTORY.glob("*/components/*/kustomization.yaml")
)
DOMAIN = "apps.example.test"
DOMAINS = (DOMAIN, "west.example.test")
"""What the operator's settings allow; an environment has one of them."""
CLAIM = "ide"
HOST = f"{CLAIM}-team-a.{DOMAIN}"
"""Of that claim in the workspace `team-a`."""
Profiles = Sequence[ProfileRevision]

Objects = dict[str, dict[str, Any]]
"""``Kind/name`` -> manifest."""
Build = Callable[[Mapping[str, bytes]], Awaitable[Objects]]
"""Renders an overlay, given as its files, which lies beside ``source``, the repository's root."""


def build_with(kustomize: Path, directory: Path) -> Build:
    """Builds in ``directory``, as a person does who has the binary and the repository."""

    async def build(overlay: Mapping[str, bytes]) -> Objects:
        files = {f"source/{path}": content for path, content in app_files().items()}
        files |= {f"overlay/{path}": content for path, content in overlay.items()}
        for path, content in files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
        ended = await run(str(kustomize), "build", str(directory / "overlay"), env={})
        assert ended.code == 0, ended.errors
        assert not ended.errors, ended.errors
        documents = [document for document in yaml.safe_load_all(ended.output) if document]
        return {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}

    return build


def app_files() -> dict[str, bytes]:
    """Everything under apps/, by its path in the repository."""
    return {
        str(path.relative_to(ROOT)): path.read_bytes() for path in APPS_DIRECTORY.rglob("*") if path.is_file()
    }


def kustomization(**fields: Any) -> dict[str, bytes]:
    """An overlay of one file."""
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return {"kustomization.yaml": yaml.safe_dump(kind | fields).encode()}


def on_base(app: str, *components: str) -> dict[str, bytes]:
    """An overlay that is the base with some of its components, by their names, and nothing else."""
    listed = [f"../source/apps/{app}/components/{name}" for name in components]
    return kustomization(resources=[f"../source/apps/{app}/base"], components=listed)


def example_template(app: str) -> TemplateEntry:
    """The example template of the application."""
    data = (ROOT / "examples" / "templates" / f"{app}.yaml").read_bytes()
    (entry,) = parse_entries(data, name=f"{app}.yaml", entry=TemplateEntry)
    return entry


def example_values(app: str) -> tuple[dict[str, Any], ...]:
    """The values that the template's publishing is proven with."""
    return example_template(app).examples


def profile(layer: Layer, **fields: Any) -> ProfileRevision:
    """The first revision of a profile of this layer."""
    return ProfileRevision(ProfileRef(id=str(layer), revision=1), layer, fields)


PLAIN: Profiles = (
    profile(Layer.CLUSTER, ingress={"domain": DOMAIN}, nodePorts={"from": 30000, "to": 32767}),
)
"""An environment that says no more than the applications ask of it."""


def claimed(
    app: str, values: Mapping[str, Any], name: str = CLAIM, profiles: Profiles = PLAIN
) -> ResolvedWorkload:
    """A claim for the example template with these values, its mappings bound."""
    entry = example_template(app)
    claim = WorkloadClaim.parse(
        {
            "metadata": {"name": name, "namespace": "team-a", "uid": "u", "resourceVersion": "1"},
            "spec": {"templateId": entry.id, "workspaceId": "team-a", "values": dict(values)},
        }
    )
    answer = CatalogAnswer(
        template_exists=True,
        granted=True,
        placement=Placement("team-a", "acme", "team-a"),
        namespace_workspace="team-a",
        revision=TemplateRevision(entry.id, 1, entry.pinned("1" * 40), entry.body),
        profiles=tuple(profiles),
        newest_profiles=tuple(each.ref for each in profiles),
    )
    return bound(resolve(claim, answer, succeeded_before=False))


async def rendered(
    build: Build, app: str, values: Mapping[str, Any], name: str = CLAIM, profiles: Profiles = PLAIN
) -> Objects:
    """What the operator would apply for these values, before it is stamped; the policy let it through."""
    workload = claimed(app, values, name, profiles)
    objects = await build(build_overlay(workload, app_files()).files)
    rendering = with_environment(
        Rendering(tuple(Manifest.of(body) for body in objects.values())), workload, {}
    )
    policy.check(rendering, workload, policy.Limits(ingress_domains=DOMAINS))
    return {f"{each.ref.kind}/{each.ref.name}": dict(each.body) for each in rendering.manifests}


def named(objects: Objects, prefix: str) -> dict[str, Any]:
    """The one object whose ``Kind/name`` begins so."""
    (name,) = (name for name in objects if name.startswith(prefix))
    return objects[name]


def pod(objects: Objects) -> dict[str, Any]:
    """The pod template's spec of the one Deployment."""
    return dict(named(objects, "Deployment/")["spec"]["template"]["spec"])


def container(objects: Objects) -> dict[str, Any]:
    """The only container of the one Deployment."""
    (only,) = pod(objects)["containers"]
    return dict(only)


def config(objects: Objects) -> dict[str, Any]:
    """The application's one structured file, parsed."""
    return dict(yaml.safe_load(named(objects, "ConfigMap/")["data"]["config.yaml"]))


def writable(objects: Objects) -> set[str]:
    """Paths that the container may write to."""
    return {mount["mountPath"] for mount in container(objects)["volumeMounts"] if not mount.get("readOnly")}
