"""What a profile may say, checked when it is published; and the file that says it.

Every field may be left out, which leaves what an earlier layer said, or be null, which takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from ocdp_operator.model.identifier import Identifier
from ocdp_operator.model.names import RESERVED_PREFIXES
from ocdp_operator.model.profile import Layer
from ocdp_operator.model.wire import WireModel

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DNS_NAME: Final = rf"{_LABEL}(\.{_LABEL})*"
_WORD: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_RESERVED_LABELS: Final = (*RESERVED_PREFIXES, "app.kubernetes.io/")

DnsName = Annotated[str, StringConstraints(pattern=f"^{_DNS_NAME}$", max_length=253)]
QualifiedName = Annotated[str, StringConstraints(pattern=rf"^({_DNS_NAME}/)?{_WORD}$", max_length=317)]
"""The name of a label, an annotation, a resource or a class: ``example.com/name``."""
LabelValue = Annotated[str, StringConstraints(pattern=f"^({_WORD})?$", max_length=63)]
ExtendedResource = Annotated[str, StringConstraints(pattern=rf"^{_DNS_NAME}/{_WORD}$", max_length=253)]
ImagePrefix = Annotated[
    str,
    StringConstraints(
        pattern=rf"^{_DNS_NAME}(:[0-9]{{1,5}})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$", max_length=200
    ),
]
ProxyUrl = Annotated[str, StringConstraints(pattern=r"^(https?|socks5)://[^\s/@]+/?$", max_length=500)]
"""Without credentials: it is written into every container."""
ProxyException = Annotated[str, StringConstraints(pattern=r"^[^\s,]+$", max_length=253)]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$", max_length=8192)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]


class IngressTls(WireModel):
    """TLS for the hosts of an Ingress; an empty object is enough."""

    secret_name: DnsName | None = None
    """Of the certificate's Secret, in the claim's namespace; absent: ``<name of the Ingress>-tls``."""


class IngressProfile(WireModel):
    """What every Ingress gets."""

    class_: DnsName | None = Field(default=None, alias="class")
    domain: DnsName | None = None
    """Hosts must lie under it."""
    annotations: Mapping[QualifiedName, Text | None] | None = None
    tls: IngressTls | None = None


class LoadBalancerProfile(WireModel):
    """What every Service of type LoadBalancer gets."""

    class_: QualifiedName | None = Field(default=None, alias="class")
    annotations: Mapping[QualifiedName, Text | None] | None = None


class NodePortRange(WireModel):
    """Ports of the nodes that users may ask for, both ends included."""

    from_: Port = Field(alias="from")
    to: Port

    @model_validator(mode="after")
    def _rises(self) -> NodePortRange:
        if self.from_ > self.to:
            raise ValueError("from is at most to")
        return self


class GpuProfile(WireModel):
    """How pods get their GPUs."""

    resource: ExtendedResource | None = None
    """In the place of ``nvidia.com/gpu``."""
    runtime_class: DnsName | None = None


class RegistryProfile(WireModel):
    """Where images are pulled from."""

    prefix: ImagePrefix | None = None
    """In the place of the registry that an image names."""
    pull_secrets: tuple[DnsName, ...] | None = None
    """Secrets of the claim's namespace."""


class Toleration(WireModel):
    """As in a pod."""

    key: QualifiedName | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _admissible(self) -> Toleration:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("with operator Exists there is no value")
        if self.key is None and self.operator != "Exists":
            raise ValueError("without a key the operator is Exists")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("tolerationSeconds goes with effect NoExecute")
        return self


class ProxyProfile(WireModel):
    """The way out, as the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY of every container."""

    http: ProxyUrl | None = None
    https: ProxyUrl | None = None
    no_proxy: tuple[ProxyException, ...] | None = None


class ProfileBody(WireModel):
    """The part of a profile that a revision freezes."""

    storage_class: DnsName | None = None
    ingress: IngressProfile | None = None
    load_balancer: LoadBalancerProfile | None = None
    node_ports: NodePortRange | None = None
    gpu: GpuProfile | None = None
    registry: RegistryProfile | None = None
    node_selector: Mapping[QualifiedName, LabelValue | None] | None = None
    tolerations: tuple[Toleration, ...] | None = None
    labels: Mapping[QualifiedName, LabelValue | None] | None = None
    proxy: ProxyProfile | None = None
    parameters: Mapping[ParameterName, Text | None] | None = None
    """Free: mappings of templates read them, as ``profile.parameters.<name>``."""
    locked: tuple[str, ...] = ()
    """Dotted paths of fields that later layers cannot change, whether this layer sets them or not."""

    @field_validator("labels")
    @classmethod
    def _not_ours(cls, labels: Mapping[str, str | None] | None) -> Mapping[str, str | None] | None:
        for name in labels or ():
            if name.startswith(_RESERVED_LABELS):
                raise ValueError(f"{name} is not the profile's to set")
        return labels

    @field_validator("locked")
    @classmethod
    def _known(cls, locked: tuple[str, ...]) -> tuple[str, ...]:
        paths = tuple(_lockable(ProfileBody))
        for path in locked:
            if not any(path == known or (map_ and path.startswith(f"{known}.")) for known, map_ in paths):
                raise ValueError(f"a profile has no field {path[:80]}")
        return locked


class ProfilePublished(WireModel):
    """What the catalog adds to a profile's revision; shown by ``get``, ignored by ``apply``."""

    revision: int
    published_at: datetime
    published_by: str = ""


class EnvironmentProfileEntry(ProfileBody):
    """``kind: EnvironmentProfile``: becomes a revision, unless the newest one says the same."""

    kind: Literal["EnvironmentProfile"] = "EnvironmentProfile"
    id: Identifier
    cluster: Identifier | None = None
    customer: Identifier | None = None
    workspace: Identifier | None = None
    disabled: bool = False
    """Given to nobody anew; a claim that stays on a revision keeps it."""
    published: ProfilePublished | None = None

    @model_validator(mode="after")
    def _exactly_one_subject(self) -> EnvironmentProfileEntry:
        if sum(subject is not None for subject in (self.cluster, self.customer, self.workspace)) != 1:
            raise ValueError("a profile names exactly one of cluster, customer and workspace")
        return self

    @property
    def subject(self) -> tuple[Layer, str]:
        """``(Layer.WORKSPACE, "team-a")``."""
        named = (
            (Layer.CLUSTER, self.cluster),
            (Layer.CUSTOMER, self.customer),
            (Layer.WORKSPACE, self.workspace),
        )
        return next((layer, name) for layer, name in named if name is not None)

    @property
    def body(self) -> dict[str, Any]:
        """The part that a revision freezes, as JSON: what is not said is not in it, what is taken away is null."""
        said = self.model_fields_set & ProfileBody.model_fields.keys()
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, include=said)


def is_profile_field(steps: Sequence[str]) -> bool:
    """Whether a profile can say anything at these steps; what is free in it (``parameters``) has any name."""
    path = ".".join(steps)
    return any(
        path == known or (open_ and path.startswith((f"{known}.", f"{known}[")))
        for known, open_ in (*_lockable(ProfileBody), ("tolerations", True))
    )


def _lockable(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Paths of the fields, and whether any key may follow."""
    for name, info in model.model_fields.items():
        path = f"{prefix}{info.alias or name}"
        if path == "locked":
            continue
        below = _object(info.annotation)
        yield path, below is None and "Mapping" in str(info.annotation)
        if below is not None:
            yield from _lockable(below, f"{path}.")


def _object(annotation: Any) -> type[BaseModel] | None:
    """The model of an optional field that is an object of fixed fields."""
    offered = getattr(annotation, "__args__", ())
    return next((each for each in offered if isinstance(each, type) and issubclass(each, BaseModel)), None)
