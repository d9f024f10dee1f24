"""The files of the repository, before anything is built from them: what is refused here is not built at all.

Files under ``apps`` are held to what the operator holds a template's source to (``model/kustomization.py``). An overlay may say a
few things more, since nobody but its author builds it; like a base it reaches nothing outside of the repository.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ocdp_operator.errors import Stalled
from ocdp_operator.manifests.problems import Problem
from ocdp_operator.manifests.repository import APPS, GOLDEN, OVERLAYS, Repository, Target
from ocdp_operator.model.documents import load_documents
from ocdp_operator.model.kustomization import (
    FILE_NAMES,
    Kustomization,
    Reference,
    ReferenceKind,
    is_kustomization,
)
from ocdp_operator.model.wire import canonical_json

_OVERLAYS_OWN: Final = ("namePrefix", "nameSuffix")
_YAML: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Files:
    """What was read, and what is wrong with it."""

    problems: tuple[Problem, ...]
    used_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Directory with a kustomization file -> what that file names, itself included."""

    def allow(self, target: Target) -> bool:
        """Whether the target may be built: nothing is wrong with the files that it is made of."""
        reached = self._reached((target.base, *target.components))
        wrong = {problem.where for problem in self.problems}
        # A symbolic link to a directory is on the way to what is reached, and not itself among it.
        return not any(path == each or path.startswith(f"{each}/") for path in reached for each in wrong)

    def _reached(self, directories: tuple[str, ...]) -> set[str]:
        reached: set[str] = set()
        waiting = list(directories)
        while waiting:
            path = waiting.pop()
            if path not in reached:
                reached.add(path)
                waiting += self.used_by.get(path, ())
        return reached


def read(repository: Repository) -> Files:
    """Reads every YAML file of the applications and overlays."""
    walk = _Walk(repository.root)
    walk.read()
    return Files(tuple(walk.problems), walk.used_by)


class _Walk:
    def __init__(self, root: Path) -> None:
        self.problems: list[Problem] = []
        self.used_by: dict[str, frozenset[str]] = {}
        self._root = root
        self._used: set[str] = set()

    def read(self) -> None:
        """All of it; a file that no kustomization file names is told at the end."""
        paths = sorted(path for path in self._paths() if not path.startswith(f"{GOLDEN}/"))
        for path in paths:
            self._read(path)
        named = {problem.where for problem in self.problems}
        for path in paths:
            if path.endswith(_YAML) and not is_kustomization(path) and path not in self._used | named:
                self._note(path, "no kustomization file names it: nothing is made of it")

    def _paths(self) -> Iterator[str]:
        for top in (APPS, OVERLAYS):
            for file in (self._root / top).rglob("*"):
                path = file.relative_to(self._root).as_posix()
                if file.is_symlink():
                    self._note(
                        path, "is a symbolic link, which the operator does not export: write the file itself"
                    )
                elif file.is_file():
                    yield path

    def _note(self, path: str, what: str, field: str = "") -> None:
        self.problems.append(Problem(path, what, field=field))

    def _read(self, path: str) -> None:
        if not path.endswith(_YAML) and not is_kustomization(path):
            return
        if is_kustomization(path):
            self.used_by[str(Path(path).parent)] = frozenset({path})
        data = (self._root / path).read_bytes()
        try:
            documents = load_documents(data, name=path)
            if is_kustomization(path):
                self._follow(self._kustomization(path, data, documents))
        except Stalled as refused:
            field, what = _parted(refused.message.removeprefix(path).rstrip("."))
            self._note(path, what, field)

    def _kustomization(self, path: str, data: bytes, documents: tuple[Any, ...]) -> Kustomization:
        if path.startswith(f"{OVERLAYS}/") and len(documents) == 1 and isinstance(documents[0], dict):
            data = canonical_json(_as_a_base(documents[0]))
        return Kustomization.parse(path, data)

    def _follow(self, kustomization: Kustomization) -> None:
        named = {reference.path for reference in kustomization.references}
        self.used_by[str(Path(kustomization.path).parent)] = frozenset({kustomization.path, *named})
        for reference in kustomization.references:
            self._used.add(reference.path)
            if missing := self._missing(reference):
                self._note(kustomization.path, missing, reference.field)

    def _missing(self, reference: Reference) -> str:
        place = self._root / reference.path
        if place.is_file() and reference.kind is not ReferenceKind.DIRECTORY:
            return ""
        if reference.kind is not ReferenceKind.FILE and any((place / name).is_file() for name in FILE_NAMES):
            return ""
        return f"{reference.path} is not there, as {reference.kind.value}"


def _parted(message: str) -> tuple[str, str]:
    """``, line 3: what`` or ``: field: what``, as field and what."""
    if message.startswith(", line "):
        line, _, what = message.removeprefix(", ").partition(": ")
        return line, what
    message = message.removeprefix(": ")
    place, colon, what = message.partition(": ")
    return (place, what) if colon and " " not in place else ("", message)


def _as_a_base(file: Mapping[str, Any]) -> dict[str, Any]:
    """The file without what an overlay may say beyond a base; its generated Secrets read files as ConfigMaps do."""
    kept = {key: said for key, said in file.items() if key not in (*_OVERLAYS_OWN, "secretGenerator")}
    secrets = file.get("secretGenerator")
    if isinstance(secrets, list):
        generated = [
            {key: said for key, said in secret.items() if key not in {"type", "namespace"}}
            if isinstance(secret, Mapping)
            else secret
            for secret in secrets
        ]
        kept["configMapGenerator"] = [*(kept.get("configMapGenerator") or ()), *generated]
    return kept
