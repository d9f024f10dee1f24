"""The API server itself: the committed schema is what it serves, and dry runs tell what no schema knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.dev.dryrun import WARNS, dry_run
from ocdp_operator.dev.programs import served_schema
from ocdp_operator.manifests.schema import shipped_bytes
from tests.integration.manifests.conftest import Validate
from tests.support.fix_controlplane import Namespaces
from tests.support.manifest_trees import BASE, GONE, Change, edited

CONTAINER = "spec/template/spec/containers/0"
MISTAKES = {
    "a port that no port is": (
        edited(f"{BASE}/service.yaml", "spec/ports/0/port", 70000),
        "Service/code-server",
        "spec.ports[0].port: Invalid value: 70000",
    ),
    "a mount of no volume": (
        edited(f"{BASE}/deployment.yaml", f"{CONTAINER}/volumeMounts/0/name", "nothing"),
        "Deployment/code-server",
        'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "nothing"',
    ),
    "a field that it does not know": (
        edited(f"{BASE}/service.yaml", "spec/color", "blue"),
        "Service/code-server",
        ".spec.color: field not declared in schema",
    ),
    "a pod that Pod Security would refuse": (
        edited(f"{BASE}/deployment.yaml", f"{CONTAINER}/securityContext/capabilities", GONE),
        "Deployment/code-server",
        "violate PodSecurity",
    ),
}


@pytest.fixture
def plane(control_plane: Cluster) -> ControlPlane:
    assert isinstance(control_plane, ControlPlane), "dry runs are for our own control plane: no --kubeconfig"
    return control_plane


async def test_the_committed_schema_is_what_the_server_serves(plane: ControlPlane):
    same = await served_schema(plane) == shipped_bytes()
    assert same, (
        "renew it: ocdp manifests schema > kubernetes.json; mv kubernetes.json src/ocdp_operator/manifests/schemas/"
    )


async def test_the_server_takes_what_is_valid(
    plane: ControlPlane, namespace: Namespaces, clean: Path, validated: Validate
):
    report = await validated(clean)
    answers = await dry_run(plane, report.verdicts, await namespace(labels=dict(WARNS)))
    assert answers.problems == ()
    assert 0 < answers.asked < report.objects


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
async def test_the_server_names_what_it_would_refuse(
    mistake: tuple[Change, str, str],
    plane: ControlPlane,
    namespace: Namespaces,
    tree: Path,
    validated: Validate,
):
    change, object_, what = mistake
    change(tree)
    report = await validated(tree)
    answers = await dry_run(plane, report.verdicts, await namespace(labels=dict(WARNS)))
    first = answers.problems[0]
    assert (first.where, first.object) == (BASE, object_)
    assert what in first.what
    assert {problem.object for problem in answers.problems} == {object_, object_.replace("/", "/my-")}
