"""What ``ocdp profile apply`` refuses before it asks the catalog."""

from __future__ import annotations

import pytest

from ocdp_operator.cli.profile import check_annotations
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import PublicationError

SNIPPET = "nginx.ingress.kubernetes.io/server-snippet"


def profile(field: str, annotations: dict[str, str | None]) -> EnvironmentProfileEntry:
    return EnvironmentProfileEntry.model_validate(
        {"id": "local", "cluster": "local", field: {"annotations": annotations}}
    )


@pytest.mark.parametrize(
    ("field", "name", "why"),
    [
        ("ingress", SNIPPET, "must not reach into the controller's configuration"),
        ("ingress", "nginx.ingress.kubernetes.io/canary", "must not take a share"),
        ("ingress", "external-dns.alpha.kubernetes.io/hostname", "names of hosts"),
        ("ingress", "nginx.ingress.kubernetes.io/auth-secret", "a Secret of another namespace"),
        ("loadBalancer", "metallb.universe.tf/loadBalancerIPs", "addresses are the cluster's"),
    ],
)
def test_an_annotation_with_which_no_claim_would_pass_is_refused_by_name(field: str, name: str, why: str):
    with pytest.raises(PublicationError) as caught:
        check_annotations([profile(field, {name: "other/CANARY", "example.test/fine": "a/b"})])
    message = str(caught.value)
    assert f"local: {field}.annotations[{name}] must" in message
    assert why in message
    assert "CANARY" not in message
    assert "fine" not in message


def test_an_annotation_that_is_taken_away_is_none():
    check_annotations([profile("ingress", {SNIPPET: None}), EnvironmentProfileEntry(id="a", cluster="a")])
