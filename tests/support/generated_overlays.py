"""``tests/kustomize/<app>-generated``: what the operator generates for a claim that sets every value, as an overlay of this repository.

``python -m tests.support.generated_overlays`` writes them anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from ocdp_operator.plan.overlay import build_overlay
from tests.support.app_renderings import APPS, ROOT, app_files, claimed

CLAIMS: Final = ROOT / "tests" / "claims"
"""A claim for each application that sets every value of its template."""


def full_claim(app: str) -> tuple[str, dict[str, Any]]:
    """Its name and values."""
    claim = yaml.safe_load((CLAIMS / f"{app}.yaml").read_text())
    return claim["metadata"]["name"], claim["spec"]["values"]


def directory(app: str) -> Path:
    return ROOT / "tests" / "kustomize" / f"{app}-generated"


def generated(app: str) -> dict[str, bytes]:
    """The operator's overlay for the claim; it lies elsewhere than the operator would put it, and says so."""
    name, values = full_claim(app)
    files = build_overlay(claimed(app, values, name), app_files()).files
    return {path: _from_here(path, content) for path, content in files.items()}


def committed(app: str) -> dict[str, bytes]:
    """The files as they are."""
    root = directory(app)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _from_here(path: str, content: bytes) -> bytes:
    """The repository is `source`, a sibling of the operator's overlay; here it is three directories up."""
    up = "../" * (path.count("/") + 1)
    return content.replace(f'"{up}source/'.encode(), f'"{up}../../'.encode())


def main() -> None:
    for app in APPS:
        for path, content in generated(app).items():
            (directory(app) / path).parent.mkdir(parents=True, exist_ok=True)
            (directory(app) / path).write_bytes(content)


if __name__ == "__main__":
    main()
