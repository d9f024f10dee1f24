"""What `config/` renders is what a real API server takes, and what a restricted namespace lets run."""

from __future__ import annotations

import copy
import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.plan.place import Place, Violations
from ocdp_operator.plan.pod_security import check_pod
from tests.support.installs import CONFIG, NAMESPACE, OVERLAYS, SELECTOR, Objects, one, pod_of, render
from tests.support.world import eventually

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(params=OVERLAYS)
async def rendered(request: pytest.FixtureRequest, binaries: Binaries) -> Objects:
    return await render(binaries.kustomize, CONFIG / request.param)


@pytest.fixture(scope="session")
async def default(binaries: Binaries) -> Objects:
    return await render(binaries.kustomize, CONFIG / "default")


@pytest.fixture(scope="session")
async def installed(served: Cluster) -> Cluster:
    """The cluster with the namespace and the rights, as the first step of an install leaves it."""
    await served.kubectl("apply", "--server-side", "-k", str(CONFIG / "rbac"))
    return served


async def dry_run(cluster: Cluster, objects: Objects) -> list[str]:
    strict = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    said = await cluster.kubectl("apply", *strict, "-f", "-", stdin=yaml.safe_dump_all(objects))
    return said.splitlines()


async def test_every_object_passes_a_strict_dry_run(installed: Cluster, rendered: Objects) -> None:
    said = await dry_run(installed, rendered)

    assert len(said) == len(rendered)
    assert all(line.endswith("serverside-applied (server dry run)") for line in said)


async def test_a_field_that_nobody_knows_would_be_found(installed: Cluster, default: Objects) -> None:
    spoiled = copy.deepcopy(one(default, "Deployment"))
    spoiled["spec"]["template"]["spec"]["teminationGracePeriodSeconds"] = 1

    with pytest.raises(LocalEnvironmentError, match="teminationGracePeriodSeconds"):
        await dry_run(installed, [spoiled])


async def test_the_pod_passes_the_restricted_namespace(installed: Cluster, rendered: Objects) -> None:
    labels = one(rendered, "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"

    assert await dry_run(installed, [pod_of(one(rendered, "Deployment"))])


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = pod["spec"]["containers"][0]
    return container


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda pod: pod["spec"].pop("securityContext"), id="any user"),
        pytest.param(lambda pod: _container(pod).pop("securityContext"), id="all capabilities"),
        pytest.param(
            lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), id="hostPath"
        ),
    ],
)
async def test_the_namespace_would_refuse_less(installed: Cluster, default: Objects, spoil: Change) -> None:
    pod = copy.deepcopy(pod_of(one(default, "Deployment")))
    spoil(pod)

    with pytest.raises(LocalEnvironmentError, match="violates PodSecurity"):
        await dry_run(installed, [pod])


@pytest.fixture
async def applied(installed: Cluster, default: Objects) -> AsyncIterator[Objects]:
    kinds = {"Deployment", "Service", "NetworkPolicy"}
    parts = [each for each in default if each["kind"] in kinds] + [
        one(default, "ConfigMap", "ocdp-operator-settings")
    ]
    documents = yaml.safe_dump_all(parts)
    await installed.kubectl("apply", "--server-side", "-f", "-", stdin=documents)
    yield parts
    await installed.kubectl("delete", "--wait=false", "-f", "-", stdin=documents)


async def test_the_deployment_gets_its_pod(installed: Cluster, applied: Objects) -> None:
    async def pods() -> list[dict[str, Any]]:
        text = await installed.kubectl("get", "pods", "-n", NAMESPACE, "-l", SELECTOR, "-o", "json")
        return [pod for pod in json.loads(text)["items"] if "deletionTimestamp" not in pod["metadata"]]

    (pod,) = await eventually(pods, "the Deployment has a Pod")

    assert pod["spec"]["serviceAccountName"] == "ocdp-operator"
    assert pod["spec"]["enableServiceLinks"] is False


def test_the_operator_and_the_second_fence_allow_the_same_domains(rendered: Objects) -> None:
    settings = one(rendered, "ConfigMap", "ocdp-operator-settings")["data"]["settings.yaml"]
    fence = one(rendered, "ConfigMap", "ocdp-operator-admission")["data"]["ingressDomains"]

    assert yaml.safe_load(settings)["allowedIngressDomains"] == [each for each in fence.split(",") if each]


def test_our_own_policy_agrees(rendered: Objects) -> None:
    found = Violations("Deployment ocdp-operator")

    check_pod(Place(pod_of(one(rendered, "Deployment")), found))

    assert list(found) == []


def test_everything_of_a_namespace_is_in_ours(rendered: Objects) -> None:
    cluster_wide = {
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
    }
    namespaces = {each["metadata"].get("namespace") for each in rendered if each["kind"] not in cluster_wide}

    assert namespaces == {NAMESPACE}


def test_the_pod_can_write_nowhere_but_in_volumes_of_a_bounded_size(rendered: Objects) -> None:
    spec = pod_of(one(rendered, "Deployment"))["spec"]
    (container,) = spec["containers"]
    writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {
        volume["name"] for volume in spec["volumes"] if volume.get("emptyDir", {}).get("sizeLimit")
    } == writable


def test_the_production_image_is_named_by_its_digest(
    rendered: Objects, request: pytest.FixtureRequest
) -> None:
    image = _container(pod_of(one(rendered, "Deployment")))["image"]

    assert ("@sha256:" in image) is ("production" in request.node.callspec.id)


# Addresses at which clouds and nodes hand out rights to whoever asks.
METADATA = ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "127.0.0.1", "fd00:ec2::254", "fe80::1", "::1")  # fmt: skip


@pytest.mark.parametrize("address", METADATA)
def test_no_egress_leads_to_metadata(rendered: Objects, address: str) -> None:
    policy = one(rendered, "NetworkPolicy")
    blocks = [
        peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule["to"] if "ipBlock" in peer
    ]

    assert blocks
    assert not any(_reaches(block, address) for block in blocks)


def _reaches(block: dict[str, Any], address: str) -> bool:
    target = ipaddress.ip_address(address)
    return target in ipaddress.ip_network(block["cidr"]) and not any(
        target in ipaddress.ip_network(hole) for hole in block.get("except", ())
    )


def test_only_scrapes_come_in(rendered: Objects) -> None:
    (rule,) = one(rendered, "NetworkPolicy")["spec"]["ingress"]

    assert rule["from"]
    assert [port["port"] for port in rule["ports"]] == ["health"]
