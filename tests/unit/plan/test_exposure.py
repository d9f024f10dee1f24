"""Services and Ingresses take no address, port, host or traffic that is not the claim's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Reason
from ocdp_operator.model.source import Rendering
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


def node_port(**values):
    patch = {"kind": "Service", "name": "web", "pointer": "/spec/ports/0/nodePort"}
    revision = template(mappings=[{"from": "values.nodePort", "patch": patch}])
    return bound(resolved(revision=revision, values=values))


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


def test_without_domains_no_ingress_host_passes():
    assert "no Ingress host is allowed" in refusal(SERVICE, INGRESS, limits=Limits()).message
