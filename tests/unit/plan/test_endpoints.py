"""Where a workload can be reached, the best address first, and nothing that does not answer yet."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.plan.endpoints import endpoints
from tests.support.builders import observed

ADDRESS = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
HTTP = {"name": "http", "port": 80}


def service(name: str = "ide-web", *, status: dict[str, Any] | None = None, **spec: Any):
    return observed(
        "Service", name, spec={"ports": [HTTP], "clusterIP": "10.0.0.1"} | spec, status=status or {}
    )


def ingress(*, address: bool = True, name: str = "ide-web", **rule: Any):
    tls = [{"hosts": rule.pop("encrypted")}] if "encrypted" in rule else []
    spec = {"rules": [{"host": "ide.example.test"} | rule], "tls": tls}
    return observed("Ingress", name, spec=spec, status=ADDRESS if address else {})


def found(*live) -> list[tuple[str, str]]:
    return [(endpoint.name, endpoint.url) for endpoint in endpoints(live, "ns-a")]


INTERNAL = ("internal", "http://ide-web.ns-a.svc")


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([service()], [INTERNAL], id="internal"),
        pytest.param(
            [service(ports=[{"port": 8080}])], [("internal", "http://ide-web.ns-a.svc:8080")], id="another port"
        ),
        pytest.param(
            [service(ports=[{"name": "metrics", "port": 9090}, HTTP])], [INTERNAL], id="the port called http"
        ),
        pytest.param(
            [service(ports=[{"name": "https", "port": 443}])], [("internal", "https://ide-web.ns-a.svc")], id="https"
        ),
        pytest.param([service(ports=[{"port": 53, "protocol": "UDP"}])], [], id="no TCP"),
        pytest.param([service(clusterIP="None")], [], id="headless"),
        pytest.param([service(ports=[])], [], id="no port"),
        pytest.param(
            [service(type="NodePort", ports=[HTTP | {"nodePort": 31234}])],
            [("nodeport", "http://<any-node>:31234"), INTERNAL],
            id="node port",
        ),
        pytest.param([service(type="NodePort")], [INTERNAL], id="node port not allocated yet"),
        pytest.param(
            [service(type="LoadBalancer", status=ADDRESS, ports=[HTTP | {"nodePort": 31234}])],
            [("loadbalancer", "http://192.0.2.7"), INTERNAL],
            id="load balancer",
        ),
        pytest.param(
            [
                service(
                    type="LoadBalancer",
                    ports=[{"port": 8080}],
                    status={"loadBalancer": {"ingress": [{"ip": "2001:db8::7"}]}},
                )
            ],
            [("loadbalancer", "http://[2001:db8::7]:8080"), ("internal", "http://ide-web.ns-a.svc:8080")],
            id="IPv6",
        ),
        pytest.param(
            [service(type="LoadBalancer", status={"loadBalancer": {"ingress": [{"hostname": "lb.example.test"}]}})],
            [("loadbalancer", "http://lb.example.test"), INTERNAL],
            id="load balancer with a name",
        ),
        pytest.param([service(type="LoadBalancer")], [INTERNAL], id="load balancer without an address"),
        pytest.param(
            [service(), ingress()], [("ingress", "http://ide.example.test"), INTERNAL], id="ingress first"
        ),
        pytest.param(
            [ingress(encrypted=["ide.example.test"])], [("ingress", "https://ide.example.test")], id="encrypted"
        ),
        pytest.param(
            [ingress(encrypted=["other.example.test"])], [("ingress", "http://ide.example.test")], id="not encrypted"
        ),
        pytest.param(
            [ingress(http={"paths": [{"path": "/v1"}]})], [("ingress", "http://ide.example.test/v1")], id="path"
        ),
        pytest.param([ingress(http={"paths": [{"path": "/"}]})], [("ingress", "http://ide.example.test")], id="root"),
        pytest.param([ingress(address=False)], [], id="ingress without an address"),
        pytest.param([ingress(host=None)], [], id="ingress without a host"),
        pytest.param([observed("ConfigMap", "ide-x")], [], id="other kinds"),
    ],
)  # fmt: skip
def test_endpoints(live, expected):
    assert found(*live) == expected


def test_several_of_one_name_are_told_apart_and_keep_their_order():
    live = [
        service("ide-b"),
        service("ide-a"),
        ingress(name="ide-a"),
        ingress(name="ide-b", host="b.example.test"),
    ]

    expected = [
        ("ingress", "http://ide.example.test"),
        ("ingress-ide-b", "http://b.example.test"),
        ("internal", "http://ide-a.ns-a.svc"),
        ("internal-ide-b", "http://ide-b.ns-a.svc"),
    ]
    assert found(*live) == expected
    assert found(*reversed(live)) == expected


def test_several_addresses_of_one_object_are_told_apart():
    addresses = {"loadBalancer": {"ingress": [{"ip": f"192.0.2.{n}"} for n in range(3)]}}

    names = [name for name, _ in found(service(type="LoadBalancer", status=addresses))]

    assert len(names) == len(set(names)) == 4


def test_a_name_that_is_taken_is_never_given_twice_and_the_list_ends():
    rules = [{"host": f"h{n}.example.test"} for n in range(60)]
    many = observed("Ingress", "ide-x", spec={"rules": rules}, status=ADDRESS)
    alike = observed("Ingress", "ide-x-2", spec={"rules": rules[:3]}, status=ADDRESS)

    names = [name for name, _ in found(many, alike)]

    assert len(names) == len(set(names)) == 50


def test_a_path_too_long_for_a_status_is_left_out():
    assert found(ingress(http={"paths": [{"path": "/" + "x" * 5000}]})) == [
        ("ingress", "http://ide.example.test")
    ]


def test_an_object_that_is_being_deleted_has_no_endpoint():
    assert (
        found(
            observed("Service", "ide-web", spec={"ports": [HTTP]}, deletion_timestamp="2026-01-01T00:00:00Z")
        )
        == []
    )
