"""The rendered set against everything a base may not hold (design 4.9, security-reliability 2.1).

The set is judged as a whole, before it is stamped and before the first write: one violation refuses all of it. Every
field that is read may have any type, since a base is not to be trusted: what is not as expected is a violation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    INGRESS,
    JOB,
    PVC,
    RUNTIME_KINDS,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Kind,
    find_kind,
)
from ocdp_operator.model.names import (
    CLAIM_NAME,
    MAX_OBJECT_NAME,
    MAX_OBJECTS,
    RESERVED_PREFIXES,
    credentials_name,
)
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.source import Rendering
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.exposure import (
    MappedPort,
    allowed_domains,
    check_ingress,
    check_node_ports,
    check_service,
    mapped_node_ports,
)
from ocdp_operator.plan.place import Place, Violations
from ocdp_operator.plan.pod_reach import Belongings, check_reach, check_volume_claim
from ocdp_operator.plan.pod_security import check_pod
from ocdp_operator.plan.selectors import SELECTORS, check_autoscaler, check_selector
from ocdp_operator.plan.wording import listed, shown

_METADATA: Final = frozenset({"name", "namespace", "labels", "annotations"})
_TEMPLATE_METADATA: Final = _METADATA - {"namespace"}
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_CONTENT_HASH: Final = re.compile(r"-[2456789bcdfghkmt]{10}$")
_SERVICE_ACCOUNT: Final = "ServiceAccount"
_AUTOSCALER: Final = "HorizontalPodAutoscaler"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the cluster operator allows; templates can only narrow it."""

    allowed_kinds: tuple[str, ...] = ()
    """As ``Kind`` or ``Kind.group``; empty: every kind the operator knows."""
    ingress_domains: tuple[str, ...] = ()
    """Hosts of an Ingress must lie strictly under one of these; empty: no Ingress."""


@dataclass(frozen=True, slots=True)
class _Set:
    """The rendering, and what its objects may refer to within it."""

    workload: ResolvedWorkload
    limits: Limits
    names: Mapping[str, frozenset[str]]
    """Kind -> names."""
    node_ports: Mapping[tuple[str, int], MappedPort]

    @property
    def claim(self) -> str:
        """Whose rendering it is."""
        return self.workload.claim_name

    def of(self, kind: str) -> frozenset[str]:
        """Names of the objects of this kind."""
        return self.names.get(kind, frozenset())

    def named(self, *kinds: str) -> frozenset[tuple[str, str]]:
        """Kind and name of every object of these kinds."""
        return frozenset((kind, name) for kind in kinds for name in self.of(kind))


def check(rendering: Rendering, workload: ResolvedWorkload, limits: Limits) -> None:
    """Refuses the whole set for one violation.

    Raises Stalled: InvalidValues (a node port that the environment does not offer), EmptyBuild, NameNotAllowed (only names are
    too long), PolicyDenied (lists all violations). An explicit node port is allowed where a mapping of the template set it,
    within the environment's range, and nowhere else.
    """
    check_node_ports(workload)
    manifests = rendering.manifests
    secret = credentials_name(workload.claim_name)
    if all((m.ref.kind, m.ref.name) == (SECRET.kind, secret) for m in manifests):
        raise Stalled(Reason.EMPTY_BUILD, "The template's base renders no objects.")
    denied = list(violations(rendering, workload, limits))
    long = _long_names(manifests)
    if denied:
        denied += [
            f"{shown(name)}: the name is {excess} characters too long" for name, excess in long.items()
        ]
        raise Stalled(
            Reason.POLICY_DENIED, listed(f"The rendering is refused ({len(denied)} violations)", denied)
        )
    if long:
        raise _name_not_allowed(long, workload.claim_name)


def violations(rendering: Rendering, workload: ResolvedWorkload, limits: Limits) -> Iterator[str]:
    """Everything that ``PolicyDenied`` would list, as ``Kind/name field: why``; nothing is left out for room."""
    manifests = rendering.manifests
    rendered = _Set(workload, limits, _names(manifests), mapped_node_ports(workload))
    yield from _set_violations(manifests)
    for manifest in manifests:
        yield from _object_violations(manifest, rendered)


def _names(manifests: Iterable[Manifest]) -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for manifest in manifests:
        names.setdefault(manifest.ref.kind, set()).add(manifest.ref.name)
    return {kind: frozenset(found) for kind, found in names.items()}


def _set_violations(manifests: tuple[Manifest, ...]) -> Iterator[str]:
    if len(manifests) > MAX_OBJECTS:
        yield f"{len(manifests)} objects are rendered; at most {MAX_OBJECTS} may be"
    seen = set()
    for manifest in manifests:
        if manifest.ref in seen:
            yield f"{_subject(manifest)}: is rendered twice"
        seen.add(manifest.ref)
    scaled = {_scaled(manifest) for manifest in manifests}
    for manifest in manifests:
        if (manifest.ref.kind, manifest.ref.name) in scaled and _field(
            manifest.body, "spec", "replicas"
        ) is not None:
            yield f"{_subject(manifest)} spec.replicas: must be left out, since an autoscaler sets it"


def _scaled(manifest: Manifest) -> tuple[str, str] | None:
    """What an autoscaler sets the replicas of; two writers of one field would fight for ever."""
    if manifest.ref.kind != _AUTOSCALER:
        return None
    kind, name = (_field(manifest.body, "spec", "scaleTargetRef", field) for field in ("kind", "name"))
    return (kind, name) if isinstance(kind, str) and isinstance(name, str) else None


def _field(body: Any, *steps: str) -> Any:
    for step in steps:
        body = body.get(step) if isinstance(body, Mapping) else None
    return body


def _long_names(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Names that are too long, sorted -> by how many characters."""
    lengths = {m.ref.name: len(_without_hash(m.ref.kind, m.ref.name)) for m in manifests}
    return {
        name: length - MAX_OBJECT_NAME for name, length in sorted(lengths.items()) if length > MAX_OBJECT_NAME
    }


def _name_not_allowed(long: Mapping[str, int], claim: str) -> Stalled:
    """An error of its own, since the user can mend it: a shorter claim name may be enough."""
    room = len(claim) - max(long.values())
    names = [f"{shown(name)} ({MAX_OBJECT_NAME + excess} characters)" for name, excess in long.items()]
    message = listed(f"Names of objects may have at most {MAX_OBJECT_NAME} characters before a hash", names)
    if room < 1:
        remedy = "Shorten the names in the template's base."
        return Stalled(Reason.NAME_NOT_ALLOWED, message, actor=Actor.PLATFORM, remedy=remedy)
    remedy = f"Choose a claim name of at most {room} characters."
    return Stalled(Reason.NAME_NOT_ALLOWED, message, value_path="/metadata/name", remedy=remedy)


def _without_hash(kind: str, name: str) -> str:
    return _CONTENT_HASH.sub("", name) if kind == CONFIG_MAP.kind else name


def _subject(manifest: Manifest) -> str:
    return f"{shown(manifest.ref.kind)}/{shown(manifest.ref.name)}"


def _object_violations(manifest: Manifest, rendered: _Set) -> Iterator[str]:
    found = Violations(_subject(manifest))
    place = Place(manifest.body, found)
    if not _is_json(manifest.body):
        place.deny("holds text or numbers that JSON cannot carry")
    kind = _check_kind(place, manifest, rendered)
    _check_identity(place, manifest, rendered.workload)
    place.at("status").only(why="must be left out")
    if kind is not None:
        _check_content(kind, place, manifest.ref.name, rendered)
    return iter(found)


def _is_json(body: Mapping[str, Any]) -> bool:
    try:
        canonical_json(body)
    except orjson.JSONEncodeError:
        return False
    return True


def _check_kind(place: Place, manifest: Manifest, rendered: _Set) -> Kind | None:
    """The kind, when it may be rendered at all; what it holds is judged only then."""
    ref = manifest.ref
    kind = find_kind(ref.group, ref.kind)
    if kind not in RUNTIME_KINDS:
        place.at("kind").deny(f"objects of this kind ({shown(ref.group) or 'core'}) are never written")
        return None
    own, narrowed = rendered.limits.allowed_kinds, rendered.workload.revision.body.allowed_kinds
    if ref == ObjectRef(SECRET.group, SECRET.kind, credentials_name(rendered.workload.claim_name)):
        narrowed = ()  # the overlay brings it, not the template
    for allowed, whose in ((own, "the operator's settings"), (narrowed, "the template")):
        if allowed and not {kind.kind, f"{kind.kind}.{kind.group}"} & set(allowed):
            place.at("kind").deny(f"is not among the kinds that {whose} allow")
    place.at("apiVersion").must_be(kind.api_version, why=f"must be {kind.api_version}")
    place.at("kind").must_be(kind.kind, why="must be the kind that it was read as")
    return kind


def _check_identity(place: Place, manifest: Manifest, workload: ResolvedWorkload) -> None:
    metadata = place.at("metadata")
    _check_metadata(metadata, _METADATA, workload.claim_name)
    metadata.at("namespace").must_be(workload.namespace, why=f"must be {workload.namespace}")
    name = metadata.at("name")
    name.must_be(manifest.ref.name, why="must be the name that it was read as")
    if not name.text().startswith(f"{workload.claim_name}-"):
        name.deny(f"must begin with {workload.claim_name}-")
    if _NAME.fullmatch(name.text()) is None:
        name.deny("must be a DNS name: lower-case letters, digits, '-' and '.'")


def _check_metadata(metadata: Place, fields: frozenset[str], claim: str) -> None:
    """The fields that a base may set, and labels and annotations that are ours alone; the overlay sets the claim's name."""
    for field, value in metadata.mapping().items():
        # Generated YAML often says `creationTimestamp: null`.
        if field not in fields and value is not None:
            metadata.at(str(field)).deny("must be left out")
    for part in ("labels", "annotations"):
        for name, value in metadata.at(part).entries():
            own = part == "labels" and name == CLAIM_NAME and value.is_exactly(claim)
            if name.startswith(RESERVED_PREFIXES) and not own:
                value.deny("is reserved for the operator")


def _check_content(kind: Kind, place: Place, name: str, rendered: _Set) -> None:
    if kind.kind in SELECTORS:
        check_selector(place.at(*SELECTORS[kind.kind]), rendered.claim)
    for check_part in _CONTENT.get(kind.kind, ()):
        check_part(place, name, rendered)


def _check_pods(place: Place, _: str, rendered: _Set) -> None:
    template = place.at("spec", "template")
    _check_metadata(template.at("metadata"), _TEMPLATE_METADATA, rendered.claim)
    check_pod(template)
    check_reach(template, Belongings(rendered.claim, rendered.of(_SERVICE_ACCOUNT), rendered.of(PVC.kind)))
    for volume in template.at("spec", "volumes").items():
        metadata = volume.at("ephemeral", "volumeClaimTemplate", "metadata")
        _check_metadata(metadata, _TEMPLATE_METADATA, rendered.claim)


def _check_job(place: Place, _: str, __: _Set) -> None:
    spec = place.at("spec")
    spec.at("ttlSecondsAfterFinished").only(
        why="must be left out: a Job that removes itself would be started again and again"
    )
    spec.at("manualSelector").only(False, why="must be left out: a Job counts its own pods")
    for field in ("selector", "managedBy"):
        spec.at(field).only(why="must be left out: it is the Job controller's")


def _check_stateful_set(place: Place, _: str, rendered: _Set) -> None:
    for volume in place.at("spec", "volumeClaimTemplates").items():
        # The controller copies finalizers and owners from the template to every volume.
        _check_metadata(volume.at("metadata"), _TEMPLATE_METADATA, rendered.claim)
        check_volume_claim(volume)


def _check_account(place: Place, _: str, __: _Set) -> None:
    place.at("automountServiceAccountToken").only(False, why="must be false")
    place.at("secrets").only(why="must be left out: they may be another's tokens")


def _check_ingress(place: Place, _: str, rendered: _Set) -> None:
    domains = allowed_domains(rendered.workload, rendered.limits.ingress_domains)
    check_ingress(place, domains, rendered.of(SERVICE.kind))


def _check_secret(place: Place, name: str, rendered: _Set) -> None:
    if name != credentials_name(rendered.claim):
        place.deny("a base may hold no Secret: map the value as `secret`")
        return
    place.at("type").only("Opaque", why="must be Opaque")
    for field in ("data", "stringData"):
        if place.at(field).mapping():
            place.at(field).deny("must be empty: map the value as `secret`")


_CONTENT: Final[Mapping[str, tuple[Callable[[Place, str, _Set], None], ...]]] = {
    _SERVICE_ACCOUNT: (_check_account,),
    SECRET.kind: (_check_secret,),
    PVC.kind: (lambda place, _, __: check_volume_claim(place),),
    SERVICE.kind: (lambda place, name, rendered: check_service(place, name, rendered.node_ports),),
    DEPLOYMENT.kind: (_check_pods,),
    STATEFUL_SET.kind: (_check_pods, _check_stateful_set),
    JOB.kind: (_check_pods, _check_job),
    INGRESS.kind: (_check_ingress,),
    _AUTOSCALER: (
        lambda place, _, rendered: check_autoscaler(
            place, rendered.named(DEPLOYMENT.kind, STATEFUL_SET.kind)
        ),
    ),
}
"""Kind -> what else is judged, beside identity and selector. ConfigMaps hold nothing that could do harm by itself."""
