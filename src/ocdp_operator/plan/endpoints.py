"""Where a workload can be reached, read back from live Ingresses and Services; the best address first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from typing import Any, Final

from ocdp_operator.model.claim import Endpoint
from ocdp_operator.model.kinds import INGRESS, SERVICE
from ocdp_operator.model.objects import Observed

_RANK: Final = {"ingress": 0, "loadbalancer": 1, "nodeport": 2, "internal": 3}
_MAX_ENDPOINTS: Final = 50
_MAX_PATH: Final = 256
"""A longer path is left out: the status is for people."""
_STANDARD_PORTS: Final = {"http": 80, "https": 443}


def endpoints(live: Iterable[Observed], namespace: str) -> tuple[Endpoint, ...]:
    """Endpoints named ``ingress``, ``loadbalancer``, ``nodeport`` and ``internal``, in this order.

    Of several of one name, the later ones carry their object's name too. An Ingress or a LoadBalancer is listed once
    it has an address: before that nothing serves its URL. A node port says ``<any-node>``, since the operator does
    not know under which address a user reaches the nodes. Headless Services have no address of their own. At most 50.
    """
    found = sorted(
        (_RANK[name], observed.ref.name, position, url)
        for observed in live
        if not observed.deletion_timestamp
        for position, (name, url) in enumerate(_of(observed, namespace))
    )
    names = {rank: name for name, rank in _RANK.items()}
    result: dict[str, Endpoint] = {}
    for rank, object_name, position, url in found[:_MAX_ENDPOINTS]:
        plain = names[rank]
        distinct = f"{plain}-{object_name}"
        numbered = (f"{distinct}-{number}" for number in count(position))
        name = next(n for n in chain((plain, distinct), numbered) if n not in result)
        result[name] = Endpoint(name=name, url=url)
    return tuple(result.values())


def _of(observed: Observed, namespace: str) -> Iterator[tuple[str, str]]:
    if observed.ref.kind == INGRESS.kind:
        yield from _of_ingress(observed.body)
    if observed.ref.kind == SERVICE.kind:
        yield from _of_service(observed.ref.name, namespace, observed.body)


def _addresses(body: Mapping[str, Any]) -> list[str]:
    balancer = (body.get("status") or {}).get("loadBalancer") or {}
    points = balancer.get("ingress") or ()
    return [address for point in points if (address := point.get("hostname") or point.get("ip"))]


def _of_ingress(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not _addresses(body):
        return
    spec = body.get("spec") or {}
    encrypted = {host for tls in spec.get("tls") or () for host in tls.get("hosts") or ()}
    for rule in spec.get("rules") or ():
        host = rule.get("host")
        if not host:
            continue
        paths = (rule.get("http") or {}).get("paths") or ()
        path = next((known for item in paths if (known := item.get("path"))), "/")
        scheme = "https" if host in encrypted else "http"
        shown_path = "" if path == "/" or len(path) > _MAX_PATH else path
        yield "ingress", f"{scheme}://{host}{shown_path}"


def _of_service(name: str, namespace: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    spec = body.get("spec") or {}
    port = _main_port(spec.get("ports") or ())
    if port is None or spec.get("clusterIP") == "None":
        return
    scheme, number = _scheme(port), port.get("port", 0)
    if spec.get("type") == "LoadBalancer":
        for address in _addresses(body):
            yield "loadbalancer", _url(scheme, address, number)
    if spec.get("type") == "NodePort" and port.get("nodePort"):
        yield "nodeport", _url(scheme, "<any-node>", port["nodePort"])
    yield "internal", _url(scheme, f"{name}.{namespace}.svc", number)


def _main_port(ports: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The port that users mean: the one called http, else https, else the first of TCP."""
    usable = [port for port in ports if port.get("protocol", "TCP") == "TCP"]
    for name in ("http", "https"):
        for port in usable:
            if port.get("name") == name:
                return port
    return usable[0] if usable else None


def _scheme(port: Mapping[str, Any]) -> str:
    if "https" in (port.get("name"), port.get("appProtocol")) or port.get("port") == 443:
        return "https"
    return "http"


def _url(scheme: str, host: str, port: int) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return f"{scheme}://{bracketed}" if port == _STANDARD_PORTS[scheme] else f"{scheme}://{bracketed}:{port}"
