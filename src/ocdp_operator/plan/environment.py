"""The environment's standard fields on the built objects: on any base, with no mapping, and over whatever it says (design 3).

The base is not to be trusted, and judged only afterwards: where a field has a type that it cannot have, it is left for
``policy.check`` to refuse. Nothing is changed in place, names stay, and the same arguments give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from ocdp_operator.model.kinds import INGRESS, PVC, SERVICE, STATEFUL_SET, WITH_PODS
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed
from ocdp_operator.model.profile import Environment
from ocdp_operator.model.source import Rendering
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.environment_pods import PodEnvironment, put_pod_environment
from ocdp_operator.plan.fields import list_at, object_at, part_at
from ocdp_operator.plan.profiles import field_of
from ocdp_operator.plan.selectors import SELECTORS

_INGRESS_CLASS: Final = "kubernetes.io/ingress.class"
"""The annotation that came before the field; the API server takes only one of the two."""


def with_environment(
    rendering: Rendering, workload: ResolvedWorkload, live: Mapping[ObjectRef, Observed] | None = None
) -> Rendering:
    """The rendering in the environment of the claim.

    ``live`` are the claim's objects as they are: a class that cannot change once it is set, of storage or of a load balancer,
    is taken from there.
    """
    environment, seen = workload.environment, live or {}
    if not environment.fields and not seen:
        return rendering
    pods = PodEnvironment.of(environment, frozenset(_selected(rendering.manifests)))
    return Rendering(
        tuple(
            _in_environment(manifest, environment, pods, seen.get(manifest.ref))
            for manifest in rendering.manifests
        )
    )


def _selected(manifests: Iterable[Manifest]) -> Iterator[str]:
    """Labels that some object of the rendering selects pods by: these no profile can set."""
    for manifest in manifests:
        steps = SELECTORS.get(manifest.ref.kind)
        if steps is None:
            continue
        yield from (name for name in part_at(manifest.body, *steps) if isinstance(name, str))
        for expression in list_at(part_at(manifest.body, *steps[:-1]), "matchExpressions"):
            if isinstance(name := part_at(expression).get("key"), str):
                yield name


def _in_environment(
    manifest: Manifest, environment: Environment, pods: PodEnvironment, live: Observed | None
) -> Manifest:
    body = deepcopy(dict(manifest.body))
    if labels := field_of(environment, "labels"):
        object_at(body, "metadata", "labels").update(labels)
    for put in _OF_KIND.get(manifest.ref.kind, ()):
        put(body, environment, live)
    if manifest.ref.kind in WITH_PODS:
        put_pod_environment(object_at(body, "spec", "template"), pods)
    return manifest if body == manifest.body else replace(manifest, body=body)


def _put_storage_class(body: dict[str, Any], environment: Environment, live: Observed | None) -> None:
    """A class that the API server chose is not sent: nothing is to be said of it, and saying it would be one write more."""
    spec = part_at(live.body, "spec") if live is not None else {}
    chosen = live is not None and "storageClassName" in spec and not live.sends_class
    if chosen and "storageClassName" not in object_at(body, "spec"):
        return
    _put_fixed(
        body,
        "storageClassName",
        field_of(environment, "storageClass"),
        spec,
        is_fixed="storageClassName" in spec,
    )


def _put_storage_classes(body: dict[str, Any], environment: Environment, live: Observed | None) -> None:
    """Of the volumes that a StatefulSet makes: as long as it lives, they are made like its first ones."""
    made = {
        str(part_at(volume, "metadata").get("name")): part_at(volume, "spec")
        for volume in list_at(part_at(live.body, "spec") if live is not None else {}, "volumeClaimTemplates")
    }
    wanted = field_of(environment, "storageClass")
    for volume in list_at(object_at(body, "spec"), "volumeClaimTemplates"):
        if isinstance(volume, dict):
            name = str(part_at(volume, "metadata").get("name"))
            _put_fixed(volume, "storageClassName", wanted, made.get(name) or {}, is_fixed=name in made)


def _put_service(body: dict[str, Any], environment: Environment, live: Observed | None) -> None:
    if part_at(body, "spec").get("type") != "LoadBalancer":
        return
    if annotations := field_of(environment, "loadBalancer", "annotations"):
        object_at(body, "metadata", "annotations").update(annotations)
    spec = part_at(live.body, "spec") if live is not None else {}
    wanted = field_of(environment, "loadBalancer", "class")
    _put_fixed(body, "loadBalancerClass", wanted, spec, is_fixed=spec.get("type") == "LoadBalancer")


def _put_fixed(
    body: dict[str, Any], name: str, wanted: Any, live: Mapping[str, Any], *, is_fixed: bool
) -> None:
    """A field of the spec that cannot change any more: it is as it lives, unless the base alone says otherwise."""
    spec = object_at(body, "spec")
    if wanted is None and name in spec:
        return  # the base's own, which it may only keep: what else comes of it is its authors' to see
    value = live.get(name) if is_fixed else wanted
    if value is not None:
        spec[name] = value
    elif is_fixed:
        spec.pop(name, None)


def _put_ingress(body: dict[str, Any], environment: Environment, _: Observed | None) -> None:
    if annotations := field_of(environment, "ingress", "annotations"):
        object_at(body, "metadata", "annotations").update(annotations)
    spec = object_at(body, "spec")
    if class_ := field_of(environment, "ingress", "class"):
        spec["ingressClassName"] = class_
        if _INGRESS_CLASS in part_at(body, "metadata", "annotations"):
            del body["metadata"]["annotations"][_INGRESS_CLASS]
    tls = field_of(environment, "ingress", "tls")
    named = (part_at(rule).get("host") for rule in list_at(spec, "rules"))
    hosts = [host for host in named if host and isinstance(host, str)]
    if tls is not None and hosts:
        name = tls.get("secretName") or f"{part_at(body, 'metadata').get('name')}-tls"
        spec["tls"] = [{"hosts": list(dict.fromkeys(hosts)), "secretName": name}]


_OF_KIND: Final[Mapping[str, tuple[Callable[[dict[str, Any], Environment, Observed | None], None], ...]]] = {
    PVC.kind: (_put_storage_class,),
    STATEFUL_SET.kind: (_put_storage_classes,),
    SERVICE.kind: (_put_service,),
    INGRESS.kind: (_put_ingress,),
}
