"""Each app's README tells how to make the Secret that its base names and does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ocdp_operator.manifests.problems import Problem
from ocdp_operator.manifests.references import SEAM, required_keys
from ocdp_operator.manifests.repository import APPS
from ocdp_operator.model.objects import Manifest

README: Final = "README.md"

_COMMAND: Final = f"kubectl create secret generic {SEAM}"
_CONTINUED: Final = re.compile(r"\\\n\s*")
_KEY: Final = re.compile(r"--from-(?:literal|file)[= ]['\"]?([A-Za-z0-9_.-]+)=")


def problems(root: Path, app: str, base: Iterable[Manifest]) -> Iterator[Problem]:
    """What the README leaves out. ``base``: the objects of the base alone."""
    path = f"{APPS}/{app}/{README}"
    file = root / path
    if not file.is_file():
        yield Problem(
            path, "is not there: every app says what it runs, what an overlay sets, and what to know"
        )
        return
    keys = required_keys(base)
    if not keys:
        return
    commands = [
        line
        for line in _CONTINUED.sub(" ", file.read_text()).splitlines()
        if _COMMAND in " ".join(line.split())
    ]
    if not commands:
        yield Problem(
            path, f"the base needs a Secret that it does not hold: give the line `{_COMMAND} …` that makes it"
        )
        return
    told = {key for command in commands for key in _KEY.findall(command)}
    for key in keys:
        if key not in told:
            yield Problem(path, f"the line `{_COMMAND} …` does not give the key {key}, which the base needs")
