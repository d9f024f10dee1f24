"""Kubeconfig files as kubectl reads them: of several, the first that says something is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SEPARATOR: Final = ":"
"""Between the files that the variable KUBECONFIG names."""


@dataclass(frozen=True, slots=True)
class KubeconfigFiles:
    """One file, or several in the order of their precedence."""

    paths: tuple[Path, ...]

    @classmethod
    def at(cls, paths: Path | Sequence[Path]) -> KubeconfigFiles:
        """These files; of several, those that exist, as long as one does: a missing one may be made later."""
        if isinstance(paths, Path):
            return cls((paths,))
        return cls(tuple(path for path in paths if path.exists()) or tuple(paths[:1]))

    def __str__(self) -> str:
        return SEPARATOR.join(path.name for path in self.paths)

    @property
    def joined(self) -> str:
        """As the variable KUBECONFIG would name them."""
        return SEPARATOR.join(map(str, self.paths))

    def read(self) -> Kubeconfig:
        """What they say. Raises OSError and yaml.YAMLError."""
        return Kubeconfig(tuple((path, yaml.safe_load(path.read_text()) or {}) for path in self.paths))


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The documents, each with the file that its relative paths start from."""

    documents: tuple[tuple[Path, Mapping[str, Any]], ...]

    @property
    def current_context(self) -> str:
        """The first file's that names one; empty: none does."""
        return next((str(named) for _, each in self.documents if (named := each.get("current-context"))), "")

    def context(self, name: str) -> Mapping[str, Any]:
        """Cluster, user and namespace of a context; empty when no file has it."""
        return self._entry("contexts", name)[1].get("context") or {}

    def token_file(self, context: str) -> Path | None:
        """The file with the token of the context's user, if it names one."""
        path, entry = self._entry("users", str(self.context(context).get("user") or ""))
        named = (entry.get("user") or {}).get("tokenFile")
        return path.parent / named if named else None

    def _entry(self, section: str, name: str) -> tuple[Path, Mapping[str, Any]]:
        found = (
            (path, entry)
            for path, document in self.documents
            for entry in document.get(section) or ()
            if entry.get("name") == name
        )
        return next(found, (Path(), {}))
