"""Which programs the local control plane needs, in which versions, and where their source is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from ocdp_operator.dev.errors import LocalEnvironmentError

_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A semantic version, without its suffix."""

    major: int
    minor: int
    patch: int

    @classmethod
    def found_in(cls, text: str) -> Self:
        """The first version that ``text`` names.

        Raises:
            LocalEnvironmentError: it names none.
        """
        match = _VERSION.search(text)
        if match is None:
            raise LocalEnvironmentError(f"No version in what the program printed: {text[:80]!r}.")
        return cls(*(int(part) for part in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One program: how it is asked for its version, and what it is built from."""

    name: str
    version: Version
    module: str
    """The Go module, whose version is ``v<version>``."""
    package: str
    """The Go package to build, within ``module``."""
    asks: tuple[str, ...] = ("--version",)
    """The arguments that make it print its version."""
    skew: int = 0
    """How many minor versions away from ``version`` it still serves."""
    minutes: float = 1.0
    """What its build takes on two cores with nothing cached, for the progress line."""

    @property
    def wanted(self) -> str:
        """The versions that serve, for a message."""
        if self.skew:
            low, high = self.version.minor - self.skew, self.version.minor + self.skew
            return f"v{self.version.major}.{low} to v{self.version.major}.{high}"
        return f"v{self.version.major}.{self.version.minor}"

    def accepts(self, found: Version) -> bool:
        """Whether a program of version ``found`` serves."""
        return found.major == self.version.major and abs(found.minor - self.version.minor) <= self.skew


KUBERNETES: Final = Version(1, 36, 3)
_KUBERNETES_MODULE: Final = "k8s.io/kubernetes"
_KWOK: Final = "sigs.k8s.io/kwok"
_KUSTOMIZE: Final = "sigs.k8s.io/kustomize/kustomize/v5"
_ETCD: Final = "go.etcd.io/etcd/server/v3"


def _kubernetes(name: str, *, minutes: float) -> Recipe:
    return Recipe(name, KUBERNETES, _KUBERNETES_MODULE, f"{_KUBERNETES_MODULE}/cmd/{name}", minutes=minutes)


# The small ones first: what is slow to build waits for nothing then.
RECIPES: Final[tuple[Recipe, ...]] = (
    Recipe("kustomize", Version(5, 8, 1), _KUSTOMIZE, _KUSTOMIZE, asks=("version",), minutes=0.2),
    Recipe("etcd", Version(3, 6, 8), _ETCD, _ETCD, minutes=0.9),
    Recipe("kwok", Version(0, 8, 0), _KWOK, f"{_KWOK}/cmd/kwok", minutes=1.8),
    _kubernetes("kube-apiserver", minutes=3.5),
    _kubernetes("kube-controller-manager", minutes=1.0),
    _kubernetes("kube-scheduler", minutes=0.4),
    Recipe(
        "kubectl",
        KUBERNETES,
        _KUBERNETES_MODULE,
        f"{_KUBERNETES_MODULE}/cmd/kubectl",
        asks=("version", "--client"),
        skew=1,  # the version skew that Kubernetes supports for kubectl
        minutes=0.5,
    ),
)

KWOK_STAGES: Final = "kwok-stages"
"""The directory beside kwok that holds its module's own stages: kwok does nothing without stages."""
