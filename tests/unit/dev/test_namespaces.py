from __future__ import annotations

import json

from ocdp_operator.dev.namespaces import restricted_namespace


def test_namespace_admits_restricted_pods_only_and_keeps_its_labels() -> None:
    namespace = json.loads(restricted_namespace("team-a", {"ocdp.io/workspace": "team-a"}))

    assert namespace["metadata"]["name"] == "team-a"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["labels"]["ocdp.io/workspace"] == "team-a"
