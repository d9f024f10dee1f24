"""Objects as they live, for what plans their updates: what was sent, what the API server added, and who said what."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.support.cluster_worlds import deployment, stateful_set
from tests.support.field_ownership import applied, merged

Raw = dict[str, Any]


def changed(body: Raw, path: str, value: Any) -> Raw:
    """A copy with the value at a path of names and numbers set; None takes it away."""
    copy = deepcopy(body)
    node: Any = copy
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        node = node[step] if isinstance(node, list) else node.setdefault(step, {})
    if value is None:
        del node[last]
    else:
        node[last] = value
    return copy


def lived(sent: Raw, server: Raw) -> Raw:
    """The object once it was applied, with what the API server and the controllers added."""
    raw = applied(None, deepcopy(sent))
    raw["metadata"] |= {"uid": "uid-1", "resourceVersion": "1"}
    return merged(raw, server)


def volume(name: str = "data", **spec: Any) -> Raw:
    """A volume's claim of 2Gi."""
    defaults = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": defaults | spec,
    }


def with_template(name: str = "ide", **spec: Any) -> Raw:
    """A StatefulSet whose pods get a volume each."""
    body = stateful_set(name)
    template = {"metadata": {"name": "data"}, "spec": volume(**spec)["spec"]}
    return body | {"spec": body["spec"] | {"volumeClaimTemplates": [template]}}


def job(name: str = "ide") -> Raw:
    """A Job of one container."""
    body = deployment(name)
    pod = body["spec"]["template"]["spec"] | {"restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}},
    }
