"""The objects that a cluster needs for a workspace."""

from __future__ import annotations

from ocdp_operator.cli.workspace import OperatorAccount, workspace_objects
from ocdp_operator.model.template import Placement

PLACEMENT = Placement("team-a", "acme", "ns-a")


def test_the_namespace_says_its_workspace_and_enforces_pod_security():
    namespace, _ = workspace_objects(PLACEMENT, OperatorAccount())
    assert (namespace["kind"], namespace["metadata"]["name"]) == ("Namespace", "ns-a")
    assert namespace["metadata"]["labels"] == {
        "ocdp.io/workspace": "team-a",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }


def test_the_operator_may_write_in_this_namespace_alone():
    _, binding = workspace_objects(PLACEMENT, OperatorAccount("elsewhere", "robot"))
    assert (binding["kind"], binding["metadata"]) == (
        "RoleBinding",
        {"name": "ocdp-applier", "namespace": "ns-a"},
    )
    assert binding["roleRef"]["kind"] == "ClusterRole"
    assert binding["roleRef"]["name"] == "ocdp-applier"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "robot", "namespace": "elsewhere"}]
