"""Services and Ingresses, against what they could take from others: ports, addresses, hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.errors import Reason, Stalled, Waiting
from ocdp_operator.model.expression import analyse
from ocdp_operator.model.kinds import INGRESS, SERVICE
from ocdp_operator.model.template import Bound, ResolvedWorkload
from ocdp_operator.plan.place import Place
from ocdp_operator.plan.values import look_up, pointer, template_fault

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
_TAKEN: Final = {Reason.NODE_PORT_TAKEN: SERVICE, Reason.HOST_TAKEN: INGRESS}
"""What is taken -> the kind by whose field a mapping asks for it."""
_NAMES_A_SECRET: Final = re.compile(r"/.*secret")


@dataclass(frozen=True, slots=True)
class MappedPort:
    """A node port that a mapping sets."""

    port: Any
    value_path: str
    """Of the value that says it, in the claim; empty when no value says it alone."""


def mapped_node_ports(workload: ResolvedWorkload) -> Mapping[tuple[str, int], MappedPort]:
    """The node ports that mappings set: Service name and index of the port -> what is set (design 3)."""
    found = {}
    for each in workload.bound:
        patch = each.mapping.patch
        pointed = _NODE_PORT_POINTER.fullmatch(patch.pointer) if patch is not None else None
        if patch is not None and patch.kind == SERVICE.kind and pointed:
            mapped = MappedPort(each.value, _value_path(each, workload))
            found[f"{workload.claim_name}-{patch.name}", int(pointed[1])] = mapped
    return found


def _value_path(bound: Bound, workload: ResolvedWorkload) -> str:
    """Where in the claim the value stands that a mapping brings as it is; empty when it is none of the claim's."""
    for root, *steps in _paths(bound):
        if root == "values" and look_up(".".join((root, *steps)), {"values": workload.values}) == bound.value:
            return pointer(steps)
    return ""


def only_value_path(bound: Bound) -> str:
    """Where in the claim the one value stands that a mapping reads, whatever it makes of it; empty when it reads more."""
    paths = {tuple(path) for path in _paths(bound) if path[0] == "values"}
    return pointer(next(iter(paths))[1:]) if len(paths) == 1 else ""


def _paths(bound: Bound) -> list[tuple[str, ...]]:
    mapping = bound.mapping
    if mapping.from_ is not None:
        return [tuple(mapping.from_.split("."))]
    return [tuple(reference.steps) for reference in analyse(mapping.value or "").references]


def check_node_ports(workload: ResolvedWorkload) -> None:
    """Refuses an explicit node port outside of those that the environment offers.

    Raises Stalled(InvalidValues) with the path of the value: it is for who chose it to choose another.
    """
    offered = workload.environment.fields.get("nodePorts") or {}
    first, last = offered.get("from"), offered.get("to")
    for mapped in mapped_node_ports(workload).values():
        subject = mapped.value_path or "The node port that the template sets"
        if first is None or last is None:
            message = f"{subject} must be left out: this environment offers no node ports to choose from."
        elif isinstance(mapped.port, bool) or not isinstance(mapped.port, int):
            message = f"{subject} must be a whole number."
        elif not first <= mapped.port <= last:
            message = f"{subject} must be from {first} to {last}: these are the node ports that this environment offers."
        else:
            continue
        if not mapped.value_path:
            raise template_fault(message)
        raise Stalled(Reason.INVALID_VALUES, message, value_path=mapped.value_path)


def with_value_path(error: Waiting, workload: ResolvedWorkload) -> Waiting:
    """The same error; of a port or host that is taken, with the path of the value that chose it."""
    kind = _TAKEN.get(error.reason)
    if kind is None or error.value_path:
        return error
    chosen = (
        path
        for each in workload.bound
        if each.mapping.patch is not None
        and each.mapping.patch.kind == kind.kind
        and str(each.value) in error.message.replace(",", " ").split()
        and (path := _value_path(each, workload))
    )
    path = next(chosen, "")
    return Waiting(error.reason, error.message, value_path=path) if path else error


def check_service(service: Place, name: str, node_ports: Mapping[tuple[str, int], MappedPort]) -> None:
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
        allowed = () if mapped is None else (mapped.port,)
        port.at("nodePort").only(
            *allowed, why="must be left to the cluster, or set by a mapping of the template"
        )


def allowed_domains(workload: ResolvedWorkload, allowed: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Lists of domains; a host must lie under one of each.

    The profile's domain is the platform's word, ``allowed`` the cluster operator's. Where the first says nothing, the second
    decides alone; where the second says nothing, the first does.
    """
    domain = (workload.environment.fields.get("ingress") or {}).get("domain")
    if not domain:
        return (allowed,)
    return ((str(domain),), allowed) if allowed else ((str(domain),),)


def check_ingress(ingress: Place, domains: tuple[tuple[str, ...], ...], services: frozenset[str]) -> None:
    """Denies hosts that are not strictly under a domain of each list, and backends that are not the claim's."""
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
        for why in annotation_faults(name, value.text()):
            value.deny(why)


def annotation_faults(name: str, value: str) -> Iterator[str]:
    """Why an Ingress or a Service may not have this annotation, whoever says it."""
    yield from (why for pattern, why in _FORBIDDEN_ANNOTATIONS if pattern.search(name.lower()))
    if _NAMES_A_SECRET.search(name.lower()) and "/" in value:
        yield "must not name a Secret of another namespace"


def _check_host(host: Place, domains: tuple[tuple[str, ...], ...]) -> None:
    name = host.text()
    if not name:
        host.deny("must be given: without a host it takes every host")
        return
    if len(name) > 253 or _HOST.fullmatch(name) is None:
        host.deny("must be a plain host name")
        return
    for some in domains:
        if not any(name.endswith(f".{domain.lstrip('.')}") for domain in some):
            host.deny(
                f"must lie under {' or '.join(sorted(some))}" if some else "no Ingress host is allowed here"
            )
            return
