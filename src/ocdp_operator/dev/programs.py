"""The programs that validate manifests: the pinned kustomize, and a kubectl."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from ocdp_operator.dev.binaries import provide
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.recipes import KUBERNETES, RECIPES
from ocdp_operator.manifests.openapi import condensed, document_paths, written
from ocdp_operator.manifests.rendering import Programs

_RECIPES: Final = {recipe.name: recipe for recipe in RECIPES}


async def builders(kustomize: Path | None, kubectl: Path | None) -> Programs:
    """Those that are given; else kustomize and kubectl of the control plane, where PATH has no kubectl of its own.

    What is not there yet is built (docs/local-control-plane.md), and nothing else of the control plane.

    Raises:
        LocalEnvironmentError: a program could not be built.
    """
    own = shutil.which("kubectl")
    found = kubectl or (Path(own) if own is not None else None)
    given = {name: path for name, path in (("kustomize", kustomize), ("kubectl", found)) if path is not None}
    missing = tuple(_RECIPES[name] for name in ("kustomize", "kubectl") if name not in given)
    paths = {**(await provide(missing) if missing else {}), **given}
    return Programs(paths["kustomize"], f"v{_RECIPES['kustomize'].version}", paths["kubectl"])


async def served_schema(cluster: Cluster) -> bytes:
    """The schema file, as it follows from what the API server serves now."""
    documents = [json.loads(await cluster.kubectl("get", "--raw", path)) for path in document_paths()]
    return written(condensed(documents, str(KUBERNETES)))
