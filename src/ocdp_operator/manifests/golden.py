"""Golden files: what each overlay renders to, so that a reviewer sees what a change does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final

import yaml

from ocdp_operator.manifests.problems import Problem
from ocdp_operator.manifests.repository import GOLDEN
from ocdp_operator.model.objects import Manifest

_MAX_LINES: Final = 40
"""Of a difference that is shown; the rest is in `git diff` once the files are renewed."""


def text(manifests: tuple[Manifest, ...]) -> str:
    """The objects as a person reads them: sorted, and texts of several lines as such."""
    ordered = sorted(manifests, key=lambda manifest: manifest.ref)
    documents = (yaml.dump(each.body, Dumper=_Dumper, allow_unicode=True, width=10_000) for each in ordered)
    return "---\n".join(documents)


def renewal(root: Path) -> str:
    """The command that renews the files: make's, where there is a Makefile; a fork may have ``apps`` alone."""
    makefile = (root / "Makefile").is_file()
    return "make validate ARGS=--write-golden" if makefile else "ocdp manifests validate --write-golden"


def problems(
    root: Path, rendered: Mapping[str, tuple[Manifest, ...]], overlays: frozenset[str]
) -> Iterator[Problem]:
    """Golden files that are not as they should be.

    ``rendered``: overlay -> its objects, of those that could be built; ``overlays``: all that there are.
    """
    renew = renewal(root)
    for overlay, manifests in rendered.items():
        path = f"{GOLDEN}/{overlay}.yaml"
        file = root / path
        if not file.is_file():
            yield Problem(path, f"is not there: make it with `{renew}`, and commit it")
            continue
        difference = tuple(_difference(file.read_text(), text(manifests), path))
        if difference:
            what = f"the overlay renders to something else; if that is meant: `{renew}`, and commit the difference"
            yield Problem(path, what, detail=difference)
    for file in _files(root):
        if file.stem not in overlays:
            yield Problem(f"{GOLDEN}/{file.name}", f"there is no such overlay any more: `{renew}` removes it")


def write(
    root: Path, rendered: Mapping[str, tuple[Manifest, ...]], overlays: frozenset[str]
) -> tuple[str, ...]:
    """Renews the files; returns the names of those that changed, came or went."""
    changed = []
    for overlay, manifests in rendered.items():
        file = root / GOLDEN / f"{overlay}.yaml"
        content = text(manifests)
        if not file.is_file() or file.read_text() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            changed.append(file.name)
    for file in _files(root):
        if file.stem not in overlays:
            file.unlink()
            changed.append(file.name)
    return tuple(sorted(changed))


def _files(root: Path) -> list[Path]:
    return sorted((root / GOLDEN).glob("*.yaml"))


def _difference(old: str, new: str, path: str) -> Iterator[str]:
    lines = list(
        unified_diff(old.splitlines(), new.splitlines(), path, f"{path} (rendered now)", lineterm="", n=2)
    )
    yield from lines[:_MAX_LINES]
    if len(lines) > _MAX_LINES:
        yield f"… and {len(lines) - _MAX_LINES} more lines"


class _Dumper(yaml.SafeDumper):
    """Without anchors: what is the same twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
