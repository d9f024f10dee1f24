"""Services and Ingresses, against what they could take from others: ports, addresses, hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ocdp_operator.model.kinds import SERVICE
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.place import Place

_NODE_PORT_POINTER: Final = re.compile(r"/spec/ports/([0-9]{1,3})/nodePort")
_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_FORBIDDEN_ANNOTATIONS: Final = (
    (
        re.compile(r"/.*(?:snippet|server-alias)|/config-(?:backend|frontend|global|proxy|tcp)"),
        "must not reach into the controller's configuration",
    ),
    (re.compile(r"/canary(?:-|$)"), "must not take a share of another Ingress's requests"),
    (
        re.compile(r"^external-dns\..*/(?:(?:internal-)?hostname|target)$"),
        "must be left out: names of hosts are the rules' to give",
    ),
    (
        re.compile(
            r"/.*(?:load-?balancer-?ip(?:v[46])?s?|lb-ipam-ips|ipv[46]-addresses|eip-allocations|static-ip-name|pip-name"
            r"|allow-shared-ip|sharing-key|sharing-cross-namespace)$"
        ),
        "must be left out: addresses are the cluster's to hand out",
    ),
)
"""Patterns of names in lower case -> why. They say by an annotation what the fields beside may not say."""
_NAMES_A_SECRET: Final = re.compile(r"/.*secret")


def mapped_node_ports(workload: ResolvedWorkload) -> Mapping[tuple[str, int], Any]:
    """The node ports that mappings set: Service name and index of the port -> the value (design 3)."""
    found = {}
    for each in workload.bound:
        patch = each.mapping.patch
        pointer = _NODE_PORT_POINTER.fullmatch(patch.pointer) if patch is not None else None
        if patch is not None and patch.kind == SERVICE.kind and pointer:
            found[f"{workload.claim_name}-{patch.name}", int(pointer[1])] = each.value
    return found


def check_service(service: Place, name: str, node_ports: Mapping[tuple[str, int], Any]) -> None:
    """Denies addresses and ports that are not the cluster's to hand out."""
    _check_annotations(service)
    spec = service.at("spec")
    spec.at("type").only("ClusterIP", "NodePort", "LoadBalancer", why="must not be of this type")
    for field in ("externalIPs", "externalName", "loadBalancerIP", "healthCheckNodePort"):
        spec.at(field).only(why="must be left out")
    spec.at("clusterIP").only("", "None", why="must be left to the cluster, or None")
    spec.at("clusterIPs").only(["None"], why="must be left to the cluster, or None")
    for index, port in enumerate(spec.at("ports").items()):
        mapped = node_ports.get((name, index))
        allowed = () if mapped is None else (mapped,)
        port.at("nodePort").only(
            *allowed, why="must be left to the cluster, or set by a mapping of the template"
        )


def check_ingress(ingress: Place, domains: tuple[str, ...], services: frozenset[str]) -> None:
    """Denies hosts that are not strictly under an allowed domain, and backends that are not the claim's."""
    _check_annotations(ingress)
    spec = ingress.at("spec")
    spec.at("defaultBackend").only(why="must be left out: it would take every host")
    for rule in spec.at("rules").items():
        _check_host(rule.at("host"), domains)
        for path in rule.at("http", "paths").items():
            path.at("backend", "resource").only(why="must be a Service")
            path.at("backend", "service", "name").must_be(
                *services, why="must be a Service of this rendering"
            )
    for tls in spec.at("tls").items():
        if not tls.at("hosts").value:
            tls.at("hosts").deny("must be given: without hosts it is for every host")
        for host in tls.at("hosts").items():
            _check_host(host, domains)


def _check_annotations(exposed: Place) -> None:
    for name, value in exposed.at("metadata", "annotations").entries():
        for pattern, why in _FORBIDDEN_ANNOTATIONS:
            if pattern.search(name.lower()):
                value.deny(why)
        if _NAMES_A_SECRET.search(name.lower()) and "/" in value.text():
            value.deny("must not name a Secret of another namespace")


def _check_host(host: Place, domains: tuple[str, ...]) -> None:
    name = host.text()
    if not name:
        host.deny("must be given: without a host it takes every host")
    elif len(name) > 253 or _HOST.fullmatch(name) is None:
        host.deny("must be a plain host name")
    elif not any(name.endswith(f".{domain.lstrip('.')}") for domain in domains):
        allowed = (
            f"must lie under {' or '.join(sorted(domains))}" if domains else "no Ingress host is allowed here"
        )
        host.deny(allowed)
