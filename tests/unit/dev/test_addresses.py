from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.dev.addresses import address_of, wants_address

TEST_NET_3 = ip_network("203.0.113.0/24")


@given(kind=st.sampled_from(["Service", "Ingress"]), namespace=st.text(), name=st.text())
def test_every_object_has_one_usable_address_of_test_net_3(kind: str, namespace: str, name: str) -> None:
    address = ip_address(address_of(kind, namespace, name))

    assert address in TEST_NET_3
    assert address not in {TEST_NET_3.network_address, TEST_NET_3.broadcast_address}
    assert address_of(kind, namespace, name) == str(address)


ADDRESSED = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}


@pytest.mark.parametrize(
    ("kind", "item", "wanted"),
    [
        pytest.param("Service", {"spec": {"type": "LoadBalancer"}}, True, id="load-balancer"),
        pytest.param("Service", {"spec": {"type": "LoadBalancer"}, "status": ADDRESSED}, False, id="has-one"),
        pytest.param("Service", {"spec": {"type": "ClusterIP"}}, False, id="cluster-ip"),
        pytest.param("Service", {"spec": {"type": "NodePort"}}, False, id="node-port"),
        pytest.param(
            "Service",
            {"spec": {"type": "LoadBalancer", "loadBalancerClass": "other/one"}},
            False,
            id="other-balancer",
        ),
        pytest.param("Ingress", {"spec": {"ingressClassName": "local"}}, True, id="ingress-of-our-class"),
        pytest.param(
            "Ingress", {"spec": {"ingressClassName": "nginx"}}, False, id="ingress-of-another-class"
        ),
        pytest.param("Ingress", {"spec": {}}, False, id="ingress-of-no-class"),
        pytest.param(
            "Ingress",
            {"spec": {"ingressClassName": "local"}, "status": ADDRESSED},
            False,
            id="ingress-has-one",
        ),
    ],
)
def test_only_what_a_cloud_would_serve_wants_an_address(
    kind: str, item: dict[str, Any], wanted: bool
) -> None:
    assert wants_address(kind, item) is wanted
