from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev import controlplane
from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.dev.errors import LocalEnvironmentError, UnnamedClusterError
from ocdp_operator.dev.guard import chosen_cluster, require_known
from ocdp_operator.dev.namespaces import restricted_namespace
from ocdp_operator.dev.ports import free_port
from ocdp_operator.dev.waiting import until


@pytest.fixture(scope="module")
async def plane(binaries: Binaries) -> AsyncIterator[ControlPlane]:
    """One of this module's own: tests here take parts of it away."""
    async with ControlPlane.start(binaries=binaries) as plane:
        yield plane


@pytest.fixture
async def place(plane: ControlPlane, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    await plane.kubectl("create", "-f", "-", stdin=restricted_namespace(name, {}))
    yield name
    await plane.kubectl("delete", "namespace", name, "--wait=false")


def pod_template(app: str, **annotations: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "registry.example/app:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    annotated = {f"ocdp.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return {
        "metadata": {"labels": {"app": app}, "annotations": annotated},
        "spec": {"containers": [container], "securityContext": security},
    }


def deployment(app: str, replicas: int = 2, **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": app},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": app}},
            "template": pod_template(app, **annotations),
        },
    }


def job(name: str, **annotations: str) -> dict[str, Any]:
    template = pod_template(name, **annotations)
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template},
    }


def service(name: str) -> dict[str, Any]:
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}

INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "web"},
    "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
}

Holds = Callable[[dict[str, Any]], bool]


async def apply(plane: ControlPlane, place: str, *objects: dict[str, Any]) -> None:
    await plane.kubectl("apply", "-n", place, "-f", "-", stdin=yaml.safe_dump_all(objects))


async def get(plane: ControlPlane, place: str, *what: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await plane.kubectl("get", "-n", place, *what, "-o", "json"))
    return found


async def wait_for(
    plane: ControlPlane, place: str, what: tuple[str, ...], holds: Holds, seconds: float = 60
) -> None:
    async def check() -> bool:
        return holds(await get(plane, place, *what))

    await until(check, what=" ".join(what), seconds=seconds, every=0.1)


def waiting_reasons(pods: dict[str, Any]) -> set[str]:
    return {
        status["state"].get("waiting", {}).get("reason", "")
        for pod in pods["items"]
        for status in pod["status"].get("containerStatuses", ())
    }


def completed(job: dict[str, Any]) -> bool:
    conditions = job["status"].get("conditions", ())
    return any(each["type"] == "Complete" and each["status"] == "True" for each in conditions)


def address(item: dict[str, Any]) -> str:
    ingress = item["status"].get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))


async def test_a_deployment_becomes_ready_and_a_volume_is_bound(plane: ControlPlane, place: str) -> None:
    gpu = deployment("web")
    gpu["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}

    await apply(plane, place, gpu, CLAIM)

    await wait_for(
        plane, place, ("deploy", "web"), lambda found: found["status"].get("availableReplicas") == 2
    )
    await wait_for(plane, place, ("pvc", "data"), lambda found: found["status"]["phase"] == "Bound")


async def test_load_balancers_and_ingresses_get_an_address_that_lasts(
    plane: ControlPlane, place: str
) -> None:
    await apply(plane, place, service("web"), INGRESS)
    await wait_for(plane, place, ("service", "web"), lambda found: address(found).startswith("203.0.113."))
    await wait_for(plane, place, ("ingress", "web"), lambda found: address(found).startswith("203.0.113."))
    first = address(await get(plane, place, "service", "web"))

    await plane.kubectl("delete", "-n", place, "service", "web")
    await apply(plane, place, service("web"))

    await wait_for(plane, place, ("service", "web"), lambda found: address(found) == first)


@pytest.mark.parametrize(
    ("simulation", "reason"),
    [("crashloop", "CrashLoopBackOff"), ("imagepull", "ImagePullBackOff"), ("notready", "")],
)
async def test_a_pod_fails_the_way_it_asks(
    plane: ControlPlane, place: str, simulation: str, reason: str
) -> None:
    await apply(plane, place, deployment("web", replicas=1, simulate=simulation))

    await wait_for(plane, place, ("pods",), lambda found: waiting_reasons(found) == {reason})
    assert (await get(plane, place, "deploy", "web"))["status"].get("availableReplicas", 0) == 0


async def test_a_pod_that_runs_fails_when_it_is_asked_and_recovers(plane: ControlPlane, place: str) -> None:
    await apply(plane, place, deployment("web", replicas=1))
    await wait_for(
        plane, place, ("deploy", "web"), lambda found: found["status"].get("availableReplicas") == 1
    )
    for simulation, available in (("crashloop", 0), ("recovered", 1), ("imagepull", 0), ("notready", 0), ("recovered", 1)):  # fmt: skip
        await wait_for(plane, place, ("deploy", "web"), lambda found: "replicas" in found["status"])
        pod = (await get(plane, place, "pods"))["items"][0]["metadata"]["name"]
        await plane.kubectl(
            "annotate", "pod", pod, "-n", place, "--overwrite", f"ocdp.io/simulate={simulation}"
        )
        await wait_for(
            plane, place, ("deploy", "web"),
            lambda found, wanted=available: found["status"].get("availableReplicas", 0) == wanted,
        )  # fmt: skip


async def test_a_slow_pod_becomes_ready_after_its_delay(plane: ControlPlane, place: str) -> None:
    await apply(plane, place, deployment("web", replicas=1, simulate="slow", simulate_delay="1s"))

    await wait_for(plane, place, ("pods",), lambda found: len(found["items"]) == 1)
    await wait_for(
        plane, place, ("deploy", "web"), lambda found: found["status"].get("availableReplicas") == 1
    )
    pod = (await get(plane, place, "pods"))["items"][0]
    seconds = {c["type"]: c["lastTransitionTime"] for c in pod["status"]["conditions"]}
    assert seconds["Ready"] > seconds["PodScheduled"]


async def test_jobs_complete_unless_they_fail(plane: ControlPlane, place: str) -> None:
    slow = job("slow", simulate="slow", simulate_delay="500ms")
    await apply(plane, place, job("good"), slow, job("bad", simulate="crashloop"))

    await wait_for(plane, place, ("job", "good"), completed)
    await wait_for(plane, place, ("job", "slow"), completed)
    await wait_for(plane, place, ("pods",), lambda found: "CrashLoopBackOff" in waiting_reasons(found))
    assert not completed(await get(plane, place, "job", "bad"))


async def test_pod_security_is_enforced(plane: ControlPlane, place: str) -> None:
    with pytest.raises(LocalEnvironmentError, match="violates PodSecurity"):
        await plane.kubectl("run", "-n", place, "open", "--image=registry.example/app:1")


async def test_an_account_may_do_what_its_role_says_and_no_more(plane: ControlPlane, place: str) -> None:
    await plane.kubectl("create", "-n", place, "serviceaccount", "reader")
    await plane.kubectl("create", "-n", place, "role", "reader", "--verb=list", "--resource=pods")
    await plane.kubectl(
        "create", "-n", place, "rolebinding", "r", "--role=reader", f"--serviceaccount={place}:reader"
    )

    account = await plane.service_account_kubeconfig(place, "reader")

    require_known(account, plane)
    async with chosen_cluster(account) as as_reader:
        assert "No resources" not in await as_reader.kubectl("get", "pods", "-n", place, "-o", "name")
        with pytest.raises(LocalEnvironmentError, match="Forbidden"):
            await as_reader.kubectl("get", "secrets", "-n", place)
        with pytest.raises(LocalEnvironmentError, match="Forbidden"):
            await as_reader.kubectl("get", "pods", "-n", "default")


async def test_nobody_gets_in_without_a_token(plane: ControlPlane) -> None:
    with pytest.raises(LocalEnvironmentError, match=r"Unauthorized|logged in"):
        await plane.kubectl("get", "pods", "--token=wrong")


async def test_changes_are_in_the_audit_log_with_who_and_what_dry_run_or_not(
    plane: ControlPlane, place: str
) -> None:
    await plane.kubectl("create", "-n", place, "configmap", "kept", "--from-literal=a=canary-in-a-configmap")
    await plane.kubectl("create", "-n", place, "configmap", "tried", "--dry-run=server")
    await plane.kubectl("get", "-n", place, "configmaps")

    log = plane.audit_log.read_text()
    events = [
        event for event in map(json.loads, log.splitlines()) if event["objectRef"].get("namespace") == place
    ]
    mine = [event for event in events if event["user"]["username"] == "ocdp-admin"]
    assert [(event["verb"], event["objectRef"]["resource"]) for event in mine] == [
        ("create", "configmaps")
    ] * 2
    assert ["dryRun=All" in event["requestURI"] for event in mine] == [False, True]
    assert "canary" not in log


async def test_the_api_server_comes_back_where_it_was_with_what_it_had(
    plane: ControlPlane, place: str
) -> None:
    await plane.kubectl("create", "-n", place, "configmap", "kept")

    await plane.stop_apiserver()
    with pytest.raises(LocalEnvironmentError, match="refused"):
        await plane.kubectl("get", "nodes")
    await plane.start_apiserver()

    assert "kept" in await plane.kubectl("get", "-n", place, "configmap", "kept", "-o", "name")
    await apply(plane, place, service("web"), deployment("web", replicas=1))
    await wait_for(plane, place, ("service", "web"), lambda found: bool(address(found)))
    await wait_for(
        plane, place, ("deploy", "web"), lambda found: found["status"].get("availableReplicas") == 1, 90
    )


async def test_volumes_leave_no_directory_on_this_machine(plane: ControlPlane, place: str) -> None:
    await apply(plane, place, CLAIM)
    await wait_for(plane, place, ("pvc", "data"), lambda found: found["status"]["phase"] == "Bound")
    volume = (await get(plane, place, "pvc", "data"))["spec"]["volumeName"]
    path = (await get(plane, place, "pv", volume))["spec"]["hostPath"]["path"]

    async def gone() -> bool:
        return not _exists(path)

    await until(gone, what="the volume's directory to go", seconds=60)


def _exists(path: str) -> bool:
    return Path(path).exists()


async def test_a_port_that_was_taken_meanwhile_is_replaced(
    plane: ControlPlane, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(plane.server.rpartition(":")[2])
    ports = iter((taken, free_port()))
    monkeypatch.setattr(controlplane, "free_port", lambda: next(ports))

    async with ControlPlane.start(binaries=binaries) as other:
        assert other.server != plane.server
        assert await other.kubectl("get", "nodes", "-o", "name")
        with pytest.raises(UnnamedClusterError):
            require_known(other.kubeconfig, plane)


async def test_a_program_that_does_not_start_is_told_with_what_it_wrote(
    plane: ControlPlane, tmp_path: Path
) -> None:
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho what went wrong\nexit 3\n")
    broken.chmod(0o755)
    names = {name: getattr(plane.binaries, name) for name in Binaries.__slots__}
    binaries = Binaries(**{**names, "kube_apiserver": broken})

    with pytest.raises(LocalEnvironmentError, match=r"(?s)kube-apiserver ended with code 3.*what went wrong"):
        async with ControlPlane.start(binaries=binaries):
            raise AssertionError("it cannot start")
