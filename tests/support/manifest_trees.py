"""A small manifest repository: code-server as it is, two overlays, their golden files; tests change one thing in a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
BASE: Final = "apps/code-server/base"
COMPONENTS: Final = "apps/code-server/components"
SITE: Final = "tests/kustomize/code-server-site"
PLAIN: Final = "tests/kustomize/code-server-plain"

GONE: Final = object()
"""As a value: the field is removed."""

Change = Callable[[Path], None]
"""Changes one thing in the tree below the path."""

_SECRETS = [
    {"name": "credentials", "literals": ["PASSWORD=of-no-worth"]},
    {"name": "site-tls", "type": "kubernetes.io/tls", "literals": ["tls.crt=none", "tls.key=none"]},
]
_INGRESS = [
    {"op": "replace", "path": "/spec/rules/0/host", "value": "ide.apps.example.test"},
    {
        "op": "add",
        "path": "/spec/tls",
        "value": [{"hosts": ["ide.apps.example.test"], "secretName": "site-tls"}],
    },
]
_CLASS = [{"op": "add", "path": "/spec/storageClassName", "value": "fast"}]
_OVERLAYS: dict[str, dict[str, Any]] = {
    PLAIN: {
        "resources": ["../../../apps/code-server/base"],
        "secretGenerator": _SECRETS[:1],
        "namePrefix": "my-",
    },
    SITE: {
        "resources": ["../../../apps/code-server/base"],
        "components": ["../../../apps/code-server/components/ingress", "../environment/fast"],
        "secretGenerator": _SECRETS,
        "patches": [{"target": {"kind": "Ingress"}, "patch": yaml.safe_dump(_INGRESS)}],
    },
    "tests/kustomize/environment/fast": {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [{"target": {"kind": "PersistentVolumeClaim"}, "patch": yaml.safe_dump(_CLASS)}],
    },
}


def write_tree(root: Path) -> None:
    """The repository, without golden files."""
    shutil.copytree(ROOT / "apps" / "code-server", root / "apps" / "code-server")
    for directory, said in _OVERLAYS.items():
        kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        written(f"{directory}/kustomization.yaml", kind | said)(root)


def written(path: str, document: Any) -> Change:
    """A file with this content: text, or a document as YAML."""

    def change(root: Path) -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False))

    return change


def edited(path: str, pointer: str, value: Any) -> Change:
    """The YAML file with another value at the pointer, such as ``spec/ports/0/nodePort``; ``-`` appends to a list."""

    def change(root: Path) -> None:
        document = yaml.safe_load((root / path).read_text())
        _put(document, pointer.split("/"), value)
        written(path, document)(root)

    return change


def replaced(path: str, old: str, new: str) -> Change:
    """The file with another text in the place of ``old``, which it must hold."""

    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return change


def _put(document: Any, steps: Sequence[str], value: Any) -> None:
    *way, last = (step.replace("~1", "/") for step in steps)
    for step in way:
        document = document[int(step)] if isinstance(document, list) else document.setdefault(step, {})
    if value is GONE:
        del document[int(last) if isinstance(document, list) else last]
    elif last == "-":
        document.append(value)
    else:
        document[int(last) if isinstance(document, list) else last] = value
