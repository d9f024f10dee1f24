"""Settings of the operator and of publishing: the environment (``OCDP_*``) over one YAML file. The only reader of both."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from ocdp_operator.errors import SettingsError
from ocdp_operator.model.kinds import RUNTIME_KINDS

_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _pod_namespace() -> str:
    return _POD_NAMESPACE.read_text().strip() if _POD_NAMESPACE.is_file() else "ocdp-system"


class AllowedOrigin(BaseModel):
    """A Git origin that templates may name: ``scheme://host[:port][/prefix]``."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    origin: str
    insecure: bool = False
    """Allows plain http for this origin."""


class Settings(BaseSettings):
    """Every knob, with its unit in its name or docstring."""

    model_config = SettingsConfigDict(
        env_prefix="OCDP_",
        env_prefix_target="all",  # the aliases too: a plain KUBECONFIG or GIT in the environment is not ours
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        nested_model_default_partial_update=True,
    )

    cluster_id: str = "local"
    """This cluster's id in the catalog."""
    catalog_dsn: SecretStr = SecretStr("")
    """libpq connection string of the operator's read-only role."""
    kubeconfig: Path | None = None
    """A kubeconfig named on purpose; None: the pod's own service account."""
    context: str | None = None
    """A context of that kubeconfig; None: its current one."""
    work_dir: Path = Field(default_factory=lambda: Path(gettempdir()) / "ocdp-operator")
    """Mirrors, artifacts and renders; may be lost at any time."""
    origins: tuple[AllowedOrigin, ...] = ()
    credentials_file: Path | None = None
    """Credentials for each Git origin (docs/sources.md)."""
    git: Path = Path("git")
    kustomize: Path | None = None
    """The standalone binary; None: ``kustomize`` on PATH, else ``kubectl kustomize``."""
    allowed_kinds: tuple[str, ...] = tuple(kind.kind for kind in RUNTIME_KINDS)
    """Kinds that any template may render; a template narrows them."""
    allowed_ingress_domains: tuple[str, ...] = ()
    """Domains under which Ingress hosts must lie; none: no Ingress."""
    workers: int = Field(default=16, ge=1, le=256)
    resync_seconds: float = Field(default=600, gt=0)
    """Every claim is looked at this often, jittered by a fifth, whatever the watches said."""
    probe_seconds: float = Field(default=7, gt=0)
    """How often a dependency that claims wait for is asked again."""
    catalog_poll_seconds: float = Field(default=10, gt=0)
    """How often the catalog's counter is read."""
    rollout_concurrency: int = Field(default=5, ge=1)
    """Claims under ``upgradePolicy: Auto`` that move at once, for each template and each profile."""
    rollout_failures: int = Field(default=3, ge=1)
    """After so many claims that failed on a revision no other one takes it."""
    rollout_patience_seconds: float = Field(default=300, gt=0)
    """How long the pods of a claim may fail on a revision that its policy took; then it goes back."""
    lease_seconds: int = Field(default=15, ge=0)
    """Another operator takes over when it saw no renewal of the Lease for so long; 0: no Lease (a laptop that sleeps)."""
    lease_namespace: str = Field(default_factory=_pod_namespace)
    """Where the Lease ``ocdp-operator`` is; the pod's own namespace, else ``ocdp-system``."""
    identity: str = ""
    """Who holds the Lease: the pod's name, as of one identity only one process may run at a time; empty: a name of its own."""
    orphan_seconds: float = Field(default=600, gt=0)
    """How long an object must have been without its claim until it is reported as left behind."""
    delete_orphans: bool = False
    """Also delete what is reported so, once no claim of that name exists."""
    health_port: int = Field(default=8080, ge=0, le=65535)
    """``/healthz``, ``/readyz`` and ``/metrics`` listen here; 0: nowhere."""
    claim_metrics: bool = False
    """Also ``ocdp_claim_info``: one series for each claim, with its name."""
    log_level: str = "info"
    log_json: bool = True

    @classmethod
    def load(cls, path: Path | None = None) -> Settings:
        """Reads the environment over the file. Raises SettingsError naming each field that cannot work."""
        file = path or (Path(named) if (named := os.environ.get("OCDP_SETTINGS")) else None)
        if file is not None and not file.is_file():
            raise SettingsError(f"The settings file {file} does not exist.")

        class FromFile(cls):  # type: ignore[valid-type,misc]
            """The same settings, with this file behind the environment."""

            @classmethod
            def settings_customise_sources(
                cls, settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                yaml = (YamlConfigSettingsSource(settings_cls, yaml_file=file),) if file else ()
                return (sources["init_settings"], sources["env_settings"], *yaml)

        try:
            loaded = FromFile()
        except ValidationError as error:
            faults = [
                f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False)
            ]
            raise SettingsError("The settings cannot work: " + "; ".join(faults)) from None
        return cls.model_construct(**{name: getattr(loaded, name) for name in cls.model_fields})

    def with_changes(self, **changes: Any) -> Settings:
        """A copy with other values, for the local control plane and tests."""
        return self.model_copy(update=changes)
