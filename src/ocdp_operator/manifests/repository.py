"""The manifest repository as a tree of files: which sets of manifests it can give.

apps/<app>/base                       a base, which stands by itself
apps/<app>/components/<component>     something that an overlay may add to it
tests/kustomize/<app>-<variant>       an overlay, as an environment or the operator would have it
tests/kustomize/golden/               what each overlay renders to
tests/kustomize/<other>/              what overlays share
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from ocdp_operator.errors import SettingsError
from ocdp_operator.manifests.problems import Problem
from ocdp_operator.model.kustomization import FILE_NAMES

APPS: Final = "apps"
OVERLAYS: Final = "tests/kustomize"
GOLDEN: Final = f"{OVERLAYS}/golden"

_EXPOSURES: Final = ("ingress", "service-")
"""How the names of components begin that say how an app is reached: at most one of them is used."""


@dataclass(frozen=True, slots=True)
class Target:
    """One set of manifests to validate."""

    app: str
    base: str
    """Directory, from the repository's root: an app's base, or an overlay."""
    components: tuple[str, ...] = ()
    """Directories, in the order in which they are added."""

    @property
    def name(self) -> str:
        """As people call it: ``code-server base + ingress``, or the overlay's name."""
        if self.is_overlay:
            return Path(self.base).name
        return " + ".join((f"{self.app} base", *(Path(each).name for each in self.components)))

    @property
    def where(self) -> str:
        """What to open first when something is wrong: the last thing that was added."""
        return self.components[0] if len(self.components) == 1 else self.base if self.is_alone else self.name

    @property
    def is_overlay(self) -> bool:
        """Whether it has a directory of its own under ``tests/kustomize``, and so a golden file."""
        return self.base.startswith(f"{OVERLAYS}/")

    @property
    def is_alone(self) -> bool:
        """Whether nothing was added."""
        return not self.components


@dataclass(frozen=True, slots=True)
class Repository:
    """A checkout; nothing in it is changed but the golden files."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> Repository:
        """Raises SettingsError when there is no ``apps`` directory."""
        if not (root / APPS).is_dir():
            raise SettingsError(
                f"{root} holds no directory {APPS}: run this in a manifest repository, or name one with --root."
            )
        return cls(root.resolve())

    def apps(self) -> tuple[str, ...]:
        """Names of the applications."""
        return _directories(self.root / APPS)

    def components(self, app: str) -> tuple[str, ...]:
        """Names of the components of an application."""
        return _directories(self.root / APPS / app / "components")

    def targets(self) -> tuple[Target, ...]:
        """Every set, those that others are built on first."""
        apps = [app for app in self.apps() if _is_built(self.root / APPS / app / "base")]
        built = [target for app in apps for target in self._combined(app)]
        return (*built, *self._overlays())

    def misplaced(self) -> Iterator[Problem]:
        """Directories that no target comes from."""
        for app in self.apps():
            if not _is_built(self.root / APPS / app / "base"):
                yield Problem(f"{APPS}/{app}/base", "there is no kustomization.yaml: every app has a base")
            for component in self.components(app):
                directory = f"{APPS}/{app}/components/{component}"
                if not _is_built(self.root / directory):
                    yield Problem(directory, "there is no kustomization.yaml")
        for overlay in self._overlay_names():
            directory = f"{OVERLAYS}/{overlay}"
            # Without a file of its own it may hold what overlays share.
            if self._app_of(overlay) is None and _is_built(self.root / directory):
                yield Problem(directory, f"an overlay is named <app>-<variant>, for an app of {APPS}/")
            elif self._app_of(overlay) is not None and not _is_built(self.root / directory):
                yield Problem(directory, "there is no kustomization.yaml")

    def _combined(self, app: str) -> Iterator[Target]:
        """The base alone, then with each choice of components.

        At most one exposure, with none of the others, one, two, or all: what two components do to each other shows so,
        and the number of sets does not double with each component.
        """
        names = [
            each for each in self.components(app) if _is_built(self.root / APPS / app / "components" / each)
        ]
        exposures = [name for name in names if name.startswith(_EXPOSURES)]
        others = [name for name in names if name not in exposures]
        beside: dict[tuple[str, ...], None] = {}
        for size in (0, 1, 2, len(others)):
            beside |= dict.fromkeys(combinations(others, size))
        chosen = [(*added, *exposed) for added in beside for exposed in ((), *((one,) for one in exposures))]
        for components in sorted(chosen, key=len):
            directories = tuple(f"{APPS}/{app}/components/{name}" for name in components)
            yield Target(app, f"{APPS}/{app}/base", directories)

    def _overlays(self) -> Iterator[Target]:
        for overlay in self._overlay_names():
            app = self._app_of(overlay)
            if app is not None and _is_built(self.root / OVERLAYS / overlay):
                yield Target(app, f"{OVERLAYS}/{overlay}")

    def _overlay_names(self) -> tuple[str, ...]:
        return tuple(each for each in _directories(self.root / OVERLAYS) if each != Path(GOLDEN).name)

    def _app_of(self, overlay: str) -> str | None:
        """The app with the longest name that begins the overlay's."""
        found = [app for app in self.apps() if overlay.startswith(f"{app}-")]
        return max(found, key=len, default=None)


def _directories(parent: Path) -> tuple[str, ...]:
    """Names of the directories in it, sorted; hidden ones are not ours."""
    if not parent.is_dir():
        return ()
    return tuple(sorted(each.name for each in parent.iterdir() if each.is_dir() and each.name[0] != "."))


def _is_built(directory: Path) -> bool:
    return any((directory / name).is_file() for name in FILE_NAMES)
