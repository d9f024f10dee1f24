"""What is kept of a live object is enough for health and references, and holds no plain value."""

from __future__ import annotations

from typing import Any

from ocdp_operator.adapters.cluster.trimming import observe, trimmed
from ocdp_operator.model.kinds import DEPLOYMENT, POD, SERVICE, Kind
from ocdp_operator.model.names import ADOPT, CLAIM_NAME, OWNER
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.references import live_references, secret_names

POD_SPEC: dict[str, Any] = {
    "nodeName": "local-1",
    "initContainers": [{"name": "init", "envFrom": [{"configMapRef": {"name": "from-init"}}]}],
    "containers": [
        {
            "name": "app",
            "image": "app:1",
            "env": [
                {"name": "PLAIN", "value": "hunter2"},
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "from-env", "key": "a"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "ide-credentials", "key": "b"}}},
            ],
        }
    ],
    "volumes": [
        {"name": "scratch", "emptyDir": {}},
        {"name": "one", "configMap": {"name": "from-volume"}},
        {"name": "more", "projected": {"sources": [{"configMap": {"name": "from-projection"}}]}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    ],
}
REFERENCES = {"from-init", "from-env", "from-volume", "from-projection"}


def raw(kind: Kind, **body: Any) -> dict[str, Any]:
    metadata = {
        "name": "ide",
        "namespace": "ns",
        "uid": "1",
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app.kubernetes.io/name": "web", CLAIM_NAME: "ide"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", OWNER: "x", ADOPT: "1"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "ide-1", "uid": "2"}],
    }
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body}


def test_references_of_a_pod_survive() -> None:
    pod = observe(POD, raw(POD, spec=POD_SPEC, status={}))
    assert live_references([pod]) == REFERENCES
    assert secret_names(pod.body["spec"]) == {"ide-credentials"}


def test_references_of_a_pod_template_survive() -> None:
    live = observe(DEPLOYMENT, raw(DEPLOYMENT, spec={"replicas": 2, "template": {"spec": POD_SPEC}}))
    assert live_references([live]) == REFERENCES
    assert live.body["spec"]["replicas"] == 2


def test_no_plain_value_is_kept() -> None:
    for kind, spec in ((POD, POD_SPEC), (DEPLOYMENT, {"template": {"spec": POD_SPEC}})):
        assert "hunter2" not in str(observe(kind, raw(kind, spec=spec, status={})).body)


def test_pod_keeps_what_health_reads() -> None:
    container = {
        "name": "app",
        "image": "app:1",
        "imageID": "sha256:1",
        "ready": False,
        "restartCount": 3,
        "state": {
            "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
        },
        "lastState": {
            "terminated": {
                "exitCode": 137,
                "reason": "OOMKilled",
                "finishedAt": "2026-01-01T00:00:00Z",
                "containerID": "containerd://1",
                "message": "hunter2 was not accepted",
            }
        },
    }
    ready = {"name": "side", "ready": True, "image": "side:1", "restartCount": 2, "state": {"running": {}}}
    status = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        ],
        "containerStatuses": [container, ready],
    }
    pod = observe(POD, raw(POD, spec=POD_SPEC, status=status))
    kept = {
        "name": "app",
        "ready": False,
        "restartCount": 3,
        "image": "app:1",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {
            "terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:00Z"}
        },
    }
    assert pod.body["status"] == {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "containerStatuses": [kept, {"name": "side", "ready": True}],
    }
    assert pod.body["metadata"] == {
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "ide-1", "uid": "2"}],
    }


def test_nothing_that_a_container_wrote_is_kept() -> None:
    said = "hunter2 was not accepted"
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": said}}
    states = [ended, {"waiting": {"reason": "RunContainerError", "message": said}}]
    containers = [
        {"name": f"app-{n}", "ready": False, "state": state, "lastState": ended}
        for n, state in enumerate(states)
    ]
    status = {"phase": "Failed", "message": said, "containerStatuses": containers}
    assert "hunter2" not in str(observe(POD, raw(POD, spec=POD_SPEC, status=status)).body)


def test_words_about_an_image_and_the_names_of_probes_are_kept() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "not found " * 100}}
    container = {"name": "app", "image": "app:1", "readinessProbe": {"httpGet": {"path": "/hunter2"}}}
    status = {"containerStatuses": [{"name": "app", "ready": False, "image": "app:1", "state": waiting}]}
    pod = observe(POD, raw(POD, spec={"containers": [container]}, status=status))
    assert pod.body["spec"] == {"containers": [{"name": "app", "readinessProbe": {}}]}
    (kept,) = pod.body["status"]["containerStatuses"]
    assert kept["state"]["waiting"]["message"] == ("not found " * 100)[:400]


def test_the_component_is_the_one_label_of_others_that_is_kept() -> None:
    body = raw(DEPLOYMENT, spec={}, status={})
    body["metadata"]["labels"]["app.kubernetes.io/component"] = "model-server"
    assert observe(DEPLOYMENT, body).labels == {
        CLAIM_NAME: "ide",
        "app.kubernetes.io/component": "model-server",
    }


def test_other_kinds_keep_spec_and_status() -> None:
    spec, status = {"ports": [{"port": 80}]}, {"loadBalancer": {}}
    assert observe(SERVICE, raw(SERVICE, spec=spec, status=status)).body == {"spec": spec, "status": status}


def test_labels_and_annotations_of_others_are_dropped() -> None:
    service = observe(SERVICE, raw(SERVICE))
    assert service.annotations == {ADOPT: "1"}
    assert service.labels == {CLAIM_NAME: "ide"}


def test_trimming_twice_changes_nothing() -> None:
    once = trimmed(Observed.of(DEPLOYMENT, raw(DEPLOYMENT, spec={"template": {"spec": POD_SPEC}}, status={})))
    assert trimmed(once) == once
