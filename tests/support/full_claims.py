"""A claim for each application that sets every value, and what the operator makes of it in two environments.

``python -m tests.support.full_claims`` writes ``tests/claims/golden`` anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from ocdp_operator.dev.binaries import cache_directory
from ocdp_operator.model.profile import ProfileRef, ProfileRevision
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import parse_entries
from tests.support.app_renderings import APPS, ROOT, Build, Objects, Profiles, build_with, rendered

CLAIMS: Final = ROOT / "tests" / "claims"
GOLDEN: Final = CLAIMS / "golden"
_EXAMPLES: Final = ROOT / "examples" / "profiles"


def full_claim(app: str) -> tuple[str, dict[str, Any]]:
    """Its name and values."""
    claim = yaml.safe_load((CLAIMS / f"{app}.yaml").read_text())
    return claim["metadata"]["name"], claim["spec"]["values"]


def profiles_of(*files: Path) -> Profiles:
    """The first revisions of what these files say, in their order."""
    entries = [
        entry
        for file in files
        for entry in parse_entries(file.read_bytes(), name=file.name, entry=EnvironmentProfileEntry)
    ]
    return tuple(
        ProfileRevision(ProfileRef(id=entry.id, revision=1), entry.subject[0], entry.body)
        for entry in entries
    )


ENVIRONMENTS: Final = {
    "acme": tuple(
        _EXAMPLES / f"{name}.yaml" for name in ("cluster-local", "customer-acme", "workspace-team-a")
    ),
    "west": (CLAIMS / "west.yaml",),
}
"""Name -> the files of its profiles, in the order of the layers."""


async def in_environment(build: Build, app: str, environment: str) -> Objects:
    """The objects of the full claim in one environment."""
    name, values = full_claim(app)
    return await rendered(build, app, values, name, profiles_of(*ENVIRONMENTS[environment]))


def golden(app: str, environment: str) -> Path:
    return GOLDEN / f"{app}-{environment}.yaml"


def as_document(objects: Objects) -> str:
    """All objects in one file, in the order of their names."""
    return yaml.safe_dump_all([objects[name] for name in sorted(objects)], sort_keys=True, width=110)


def differences(left: Any, right: Any, pointer: str = "") -> Iterator[str]:
    """JSON pointers of what is not the same; items of a list are told by their ``name``, where each has one."""
    if isinstance(left, list) and isinstance(right, list):
        keyed = _by_name if _all_named([*left, *right]) else _by_index
        if keyed is _by_name or len(left) == len(right):
            left, right = keyed(left), keyed(right)
    if (isinstance(left, dict) and isinstance(right, dict)) or _are_labels(left or right):
        left, right = left or {}, right or {}
        for key in sorted(left.keys() | right.keys()):
            yield from differences(left.get(key), right.get(key), f"{pointer}/{escaped(key)}")
    elif left != right:
        yield pointer


def _are_labels(value: Any) -> bool:
    """Labels, annotations or a selector: without any is as good as not there."""
    return (
        isinstance(value, dict)
        and "name" not in value
        and all(isinstance(each, str) for each in value.values())
    )


def escaped(key: str) -> str:
    """One step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _by_name(items: list[Any]) -> dict[str, Any]:
    return {item["name"]: item for item in items}


def _by_index(items: list[Any]) -> dict[str, Any]:
    return {str(index): item for index, item in enumerate(items)}


def _all_named(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) and "name" in item for item in items)


async def main() -> None:
    (kustomize,) = sorted(cache_directory().rglob("kustomize"))[-1:]
    GOLDEN.mkdir(exist_ok=True)
    for app in APPS:
        for environment in ENVIRONMENTS:
            with TemporaryDirectory() as directory:
                objects = await in_environment(build_with(kustomize, Path(directory)), app, environment)
            golden(app, environment).write_text(as_document(objects))


if __name__ == "__main__":
    asyncio.run(main())
