"""Services and Ingresses take no address, port, host or traffic that is not the claim's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Actor, Reason, Stalled, Waiting
from ocdp_operator.model.profile import Environment
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.exposure import check_node_ports, with_value_path
from ocdp_operator.plan.policy import Limits, check
from tests.support.binding import bound
from tests.support.builders import changed, resolved, template
from tests.support.renderings import DOMAINS, INGRESS, SERVICE, refusal

ANNOTATIONS = "/metadata/annotations"
EXPOSED = [
    ("externalIPs", changed(SERVICE, "/spec/externalIPs", ["10.0.0.1"])),
    ("no externalIPs", changed(SERVICE, "/spec/externalIPs", [])),
    ("ExternalName", changed(SERVICE, "/spec/type", "ExternalName")),
    ("externalName", changed(SERVICE, "/spec/externalName", "evil.test")),
    ("loadBalancerIP", changed(SERVICE, "/spec/loadBalancerIP", "10.0.0.1")),
    ("a cluster address", changed(SERVICE, "/spec/clusterIP", "10.96.0.10")),
    ("cluster addresses", changed(SERVICE, "/spec/clusterIPs", ["10.96.0.10"])),
    ("a node port", changed(SERVICE, "/spec/ports", [{"port": 80, "nodePort": 31234}])),
    ("a health check's node port", changed(SERVICE, "/spec/healthCheckNodePort", 31234)),
    ("a host elsewhere", changed(INGRESS, "/spec/rules/0/host", "evil.test")),
    ("a host that only ends alike", changed(INGRESS, "/spec/rules/0/host", "evilapps.example.test")),
    ("the domain itself", changed(INGRESS, "/spec/rules/0/host", "apps.example.test")),
    ("no host", changed(INGRESS, "/spec/rules/0/host", None)),
    ("an empty host", changed(INGRESS, "/spec/rules/0/host", "")),
    ("every host", changed(INGRESS, "/spec/rules/0/host", "*.apps.example.test")),
    ("a host with a line break", changed(INGRESS, "/spec/rules/0/host", "a.apps.example.test\n")),
    ("a host within a host", changed(INGRESS, "/spec/rules/0/host", "evil.test\n.apps.example.test")),
    ("a host in capitals", changed(INGRESS, "/spec/rules/0/host", "IDE.apps.example.test")),
    ("a host with text of a configuration", changed(INGRESS, "/spec/rules/0/host", "a;lua{}.apps.example.test")),
    ("a TLS host elsewhere", changed(INGRESS, "/spec/tls/0/hosts", ["evil.test"])),
    ("a default backend", changed(INGRESS, "/spec/defaultBackend", {"service": {"name": "ide-web"}})),
    ("another claim's service", changed(
        INGRESS, "/spec/rules/0/http/paths/0/backend", {"service": {"name": "other-web"}}
    )),
    ("a resource as backend", changed(
        INGRESS, "/spec/rules/0/http/paths/0/backend/resource", {"kind": "Bucket", "name": "x"}
    )),
    ("a snippet", changed(
        INGRESS, "/metadata/annotations", {"nginx.ingress.kubernetes.io/configuration-snippet": "x"}
    )),
    ("a server alias", changed(INGRESS, "/metadata/annotations", {"nginx.ingress.kubernetes.io/server-alias": "x"})),
    ("a backend's configuration", changed(INGRESS, "/metadata/annotations", {"haproxy.org/Config-Backend": "x"})),
    ("rules of no shape", changed(INGRESS, "/spec/rules", {"host": "x"})),
    ("a TLS section for every host", changed(INGRESS, "/spec/tls", [{"secretName": "tls"}])),
    ("a deep wildcard", changed(INGRESS, "/spec/rules/0/host", "*.ide.apps.example.test")),
    ("a host with a port", changed(INGRESS, "/spec/rules/0/host", "ide.apps.example.test:8080")),
    ("a host of a number", changed(INGRESS, "/spec/rules/0/host", 1)),
    ("no Service as backend", changed(INGRESS, "/spec/rules/0/http/paths/0/backend", {})),
    ("an empty default backend", changed(INGRESS, "/spec/defaultBackend", {})),
]  # fmt: skip


@pytest.mark.parametrize("refused", [pytest.param(each, id=what) for what, each in EXPOSED])
def test_what_others_own_is_not_exposed(refused):
    companions = [each for each in (SERVICE,) if each.ref != refused.ref]

    error = refusal(*companions, refused)

    assert error.reason is Reason.POLICY_DENIED
    assert f"{refused.ref.kind}/{refused.ref.name}" in error.message


FORBIDDEN_ANNOTATIONS = [
    "nginx.ingress.kubernetes.io/server-snippet",
    "nginx.org/location-snippets",
    "nginx.ingress.kubernetes.io/canary",
    "nginx.ingress.kubernetes.io/canary-weight",
    "external-dns.alpha.kubernetes.io/hostname",
    "external-dns.alpha.kubernetes.io/internal-hostname",
    "external-dns.alpha.kubernetes.io/target",
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "metallb.universe.tf/allow-shared-ip",
    "kube-vip.io/loadbalancerIPs",
    "lbipam.cilium.io/lb-ipam-ips",
    "io.cilium/lb-ipam-ips",
    "lbipam.cilium.io/sharing-key",
    "service.beta.kubernetes.io/aws-load-balancer-eip-allocations",
    "service.beta.kubernetes.io/aws-load-balancer-private-ipv4-addresses",
    "service.beta.kubernetes.io/azure-load-balancer-ipv4",
    "service.beta.kubernetes.io/azure-pip-name",
    "kubernetes.io/ingress.global-static-ip-name",
]


@pytest.mark.parametrize("exposed", [SERVICE, INGRESS], ids=["Service", "Ingress"])
@pytest.mark.parametrize("annotation", FORBIDDEN_ANNOTATIONS)
def test_no_annotation_says_what_a_field_may_not(exposed, annotation):
    error = refusal(SERVICE, changed(exposed, ANNOTATIONS, {annotation: "x"}))

    assert annotation in error.message


def test_an_annotation_names_no_secret_of_another_namespace():
    annotation = {"nginx.ingress.kubernetes.io/auth-tls-secret": "kube-system/ca"}

    assert "another namespace" in refusal(SERVICE, changed(INGRESS, ANNOTATIONS, annotation)).message


@pytest.mark.parametrize(
    "annotation",
    [
        "nginx.ingress.kubernetes.io/proxy-read-timeout",
        "nginx.ingress.kubernetes.io/backend-protocol",
        "nginx.ingress.kubernetes.io/auth-tls-secret",
        "cert-manager.io/cluster-issuer",
        "service.beta.kubernetes.io/aws-load-balancer-scheme",
        "kubernetes.io/description",
    ],
)
def test_other_annotations_pass(annotation):
    exposed = (
        changed(SERVICE, ANNOTATIONS, {annotation: "x"}),
        changed(INGRESS, ANNOTATIONS, {annotation: "x"}),
    )

    check(Rendering(exposed), resolved(), DOMAINS)


LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


@given(labels=st.lists(LABELS, min_size=1, max_size=4))
def test_every_host_under_the_domain_passes(labels):
    host = ".".join([*labels, "apps.example.test"])

    check(Rendering((SERVICE, changed(INGRESS, "/spec/rules/0/host", host))), resolved(), DOMAINS)


@given(host=st.text(max_size=40) | st.lists(LABELS, max_size=5).map(".".join))
def test_every_other_host_is_refused(host):
    assert "host" in refusal(SERVICE, changed(INGRESS, "/spec/rules/0/host", host)).message


RANGE = {"nodePorts": {"from": 31000, "to": 31999}}


def node_port(*, source="values.nodePort", fields=RANGE, **values):
    patch = {"kind": "Service", "name": "web", "pointer": "/spec/ports/0/nodePort"}
    revision = template(mappings=[{"from": source, "patch": patch}])
    environment = Environment(fields=fields)
    return bound(resolved(revision=revision, values=values, environment=environment))


def test_a_node_port_that_a_mapping_set_passes():
    service = changed(SERVICE, "/spec/ports", [{"port": 80, "nodePort": 31234}])

    check(Rendering((service,)), node_port(nodePort=31234), DOMAINS)


@pytest.mark.parametrize(
    ("ports", "values"),
    [
        pytest.param([{"nodePort": 31234}], {}, id="no value given"),
        pytest.param([{"nodePort": 31234}], {"nodePort": 31235}, id="another value"),
        pytest.param([{}, {"nodePort": 31234}], {"nodePort": 31234}, id="another port"),
    ],
)
def test_a_node_port_beside_the_mapping_is_refused(ports, values):
    error = refusal(changed(SERVICE, "/spec/ports", ports), workload=node_port(**values))

    assert "nodePort" in error.message


@pytest.mark.parametrize(
    ("port", "fields", "says"),
    [
        pytest.param(30999, RANGE, "from 31000 to 31999", id="below"),
        pytest.param(32000, RANGE, "from 31000 to 31999", id="above"),
        pytest.param(True, RANGE, "whole number", id="no number"),
        pytest.param("31234", RANGE, "whole number", id="text"),
        pytest.param(31234, {}, "must be left out", id="no range"),
        pytest.param(31234, {"nodePorts": None}, "must be left out", id="a range taken away"),
    ],
)
def test_a_node_port_that_the_environment_does_not_offer_is_the_users_to_change(port, fields, says):
    service = changed(SERVICE, "/spec/ports", [{"port": 80, "nodePort": port}])

    error = refusal(service, workload=node_port(fields=fields, nodePort=port))

    assert (error.reason, error.value_path) == (Reason.INVALID_VALUES, "/spec/values/nodePort")
    assert error.actor is Actor.USER
    assert error.message.startswith("/spec/values/nodePort ")
    assert says in error.message


@pytest.mark.parametrize("port", [31000, 31999])
def test_both_ends_of_the_range_are_offered(port):
    check_node_ports(node_port(nodePort=port))


def test_a_node_port_that_is_left_out_is_the_clusters_to_choose():
    check_node_ports(node_port(fields={}))
    check_node_ports(node_port(fields={}, nodePort=None))


def test_a_node_port_that_no_value_chose_is_the_templates_fault():
    with pytest.raises(Stalled) as caught:
        check_node_ports(node_port(source="claim.name"))
    assert caught.value.actor is Actor.PLATFORM


def test_a_taken_port_names_the_value_that_chose_it():
    message = "Service/ide-web: another Service has node port 31234, and keeps it."
    taken = Waiting(Reason.NODE_PORT_TAKEN, message)

    assert with_value_path(taken, node_port(nodePort=31234)).value_path == "/spec/values/nodePort"
    assert with_value_path(taken, node_port(nodePort=3123)).value_path == ""
    assert with_value_path(taken, node_port()).value_path == ""
    other = Waiting(Reason.QUOTA_EXCEEDED, "31234")
    assert with_value_path(other, node_port(nodePort=31234)) is other


@pytest.mark.parametrize(
    ("mapping", "path"),
    [
        pytest.param({"from": "values.host"}, "/spec/values/host", id="a value"),
        pytest.param(
            {"value": "has(values.host) ? values.host : null"}, "/spec/values/host", id="one of some"
        ),
        pytest.param({"value": "values.host + ''"}, "/spec/values/host", id="the same in the end"),
        pytest.param({"value": "claim.name + '.apps.example.test'"}, "", id="made of the claim"),
    ],
)
def test_a_taken_host_names_the_value_that_chose_it(mapping, path):
    patch = {"kind": "Ingress", "name": "web", "pointer": "/spec/rules/0/host"}
    revision = template(mappings=[mapping | {"patch": patch}])
    workload = bound(resolved(revision=revision, values={"host": "ide.apps.example.test"}))
    taken = Waiting(Reason.HOST_TAKEN, "The host ide.apps.example.test is taken by the claim other.")

    assert with_value_path(taken, workload).value_path == path


@pytest.mark.parametrize(
    ("domain", "allowed", "host", "passes"),
    [
        ("apps.example.test", (), "ide.apps.example.test", True),
        ("apps.example.test", ("example.test",), "ide.apps.example.test", True),
        ("apps.example.test", (), "ide.other.example.test", False),
        ("apps.example.test", (), "apps.example.test", False),
        ("apps.example.test", ("other.test",), "ide.apps.example.test", False),
        ("apps.example.test", ("other.test",), "ide.other.test", False),
        (None, ("other.test",), "ide.other.test", True),
        (None, (), "ide.apps.example.test", False),
    ],
)
def test_a_host_lies_under_the_profiles_domain_and_under_what_the_cluster_operator_allows(
    domain, allowed, host, passes
):
    fields = {"ingress": {"domain": domain}} if domain else {}
    workload = resolved(environment=Environment(fields=fields))
    ingress = changed(changed(INGRESS, "/spec/rules/0/host", host), "/spec/tls", [])
    limits = Limits(ingress_domains=allowed)

    if passes:
        check(Rendering((SERVICE, ingress)), workload, limits)
    else:
        assert "host" in refusal(SERVICE, ingress, workload=workload, limits=limits).message


def test_without_domains_no_ingress_host_passes():
    assert "no Ingress host is allowed" in refusal(SERVICE, INGRESS, limits=Limits()).message
