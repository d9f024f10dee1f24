"""Row 13: everything in a kustomization that kustomize would fetch. All of it is refused before kustomize starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.kustomization import Kustomization
from tests.integration.git.conftest import hang, listening
from tests.support.apps import document
from tests.support.hostile import Case, Crowd, codes, messages, with_base
from tests.support.world import Team

TARGET = {"kind": "Deployment", "name": "web"}

FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "resources": lambda said: {"resources": [said]},
    "bases": lambda said: {"bases": [said]},
    "components": lambda said: {"components": [said]},
    "crds": lambda said: {"crds": [said]},
    "configurations": lambda said: {"configurations": [said]},
    "openapi.path": lambda said: {"openapi": {"path": said}},
    "patches.path": lambda said: {"patches": [{"path": said, "target": TARGET}]},
    "patchesStrategicMerge": lambda said: {"patchesStrategicMerge": [said]},
    "patchesJson6902.path": lambda said: {"patchesJson6902": [{"path": said, "target": TARGET}]},
    "replacements.path": lambda said: {"replacements": [{"path": said}]},
    "transformers": lambda said: {"transformers": [said]},
    "generators": lambda said: {"generators": [said]},
    "validators": lambda said: {"validators": [said]},
    "configMapGenerator.files": lambda said: {"configMapGenerator": [{"name": "x", "files": [said]}]},
    "configMapGenerator.files, a key": lambda said: {
        "configMapGenerator": [{"name": "x", "files": [f"k={said}"]}]
    },
    "configMapGenerator.envs": lambda said: {"configMapGenerator": [{"name": "x", "envs": [said]}]},
    "configMapGenerator.env": lambda said: {"configMapGenerator": [{"name": "x", "env": said}]},
    "secretGenerator.files": lambda said: {"secretGenerator": [{"name": "x", "files": [said]}]},
    "secretGenerator.envs": lambda said: {"secretGenerator": [{"name": "x", "envs": [said]}]},
    "secretGenerator.env": lambda said: {"secretGenerator": [{"name": "x", "env": said}]},
    "helmCharts.repo": lambda said: {"helmCharts": [{"name": "x", "repo": said, "version": "1"}]},
    "helmCharts.valuesFile": lambda said: {"helmCharts": [{"name": "x", "valuesFile": said}]},
    "helmCharts.additionalValuesFiles": lambda said: {
        "helmCharts": [{"name": "x", "additionalValuesFiles": [said]}]
    },
    "helmGlobals.chartHome": lambda said: {"helmGlobals": {"chartHome": said, "configHome": said}},
    "helmChartInflationGenerator": lambda said: {
        "helmChartInflationGenerator": [{"chartName": "x", "chartRepoUrl": said, "values": said}]
    },
    "a field in other letters": lambda said: {"RESOURCES": [said]},
    "a field of a field in other letters": lambda said: {"patches": [{"Path": said, "target": TARGET}]},
}
"""Every field of kustomize v5.8 (api/types/kustomization.go and what it holds) that names something to load."""

REMOTES = {
    "https": "https://{host}/o/r",
    "http": "http://{host}/o/r.yaml",
    "https with a ref": "https://{host}/o/r?ref=main",
    "an option as the ref": "http://{host}/o/r?ref=--upload-pack=touch%20{marker}",
    "an option with blanks": "http://{host}/o/r?ref=--upload-pack=touch {marker}",
    "a sub-directory": "https://{host}/o/r//base?timeout=1&submodules=true",
    "ssh": "ssh://git@{host}/o/r",
    "scp": "git@{host}:o/r.git",
    "scp without a user": "{host}:o/r.git",
    "github.com": "github.com/o/r",
    "GitHub in capitals": "GitHub.com/o/r?ref=x",
    "gh": "gh:o/r",
    "git::": "git::http://{host}/o/r",
    "git::ssh": "git::git@{host}:o/r",
    "file": "file:///etc/hostname",
    "git+file": "git::file:///tmp",
    "an S3 bucket": "s3::http://{host}/bucket",
    "no scheme": "//{host}/o/r",
}


@pytest.mark.parametrize("field", FIELDS)
def test_13_nothing_remote_passes_the_scan_in_any_field(field: str):
    for remote in REMOTES.values():
        said = FIELDS[field](remote.format(host="127.0.0.1:1", marker="marker"))
        with pytest.raises(Stalled) as error:
            Kustomization.parse("web/base/kustomization.yaml", document(said))
        assert error.value.reason is Reason.UNSAFE_BUILD
        assert error.value.message.startswith("web/base/kustomization.yaml: ")


async def test_13_a_remote_base_in_any_field_is_refused_and_nobody_is_asked(
    new_team, operator: OperatorProcess, tmp_path: Path
):
    marker = tmp_path / "marker"
    team: Team = await new_team("remote")
    async with listening(hang) as canary:
        host = canary.origin.removeprefix("http://")
        remotes = [each.format(host=host, marker=marker) for each in REMOTES.values()]
        cases = {
            field: Case(with_base(**said(remotes[number % len(remotes)])))
            for number, (field, said) in enumerate(FIELDS.items())
        }
        cases |= {
            f"resources: {name}": Case(with_base(resources=[remote]))
            for name, remote in zip(REMOTES, remotes, strict=True)
        }
        crowd = await Crowd.of(team, cases)
        found = await crowd.settled(seconds=90)
        assert codes(found) == dict.fromkeys(cases, "UnsafeBuild")
        assert canary.heard == []
    said = messages(found)
    assert {name: text for name, text in said.items() if "web/base/kustomization.yaml" not in text} == {}
    assert not marker.exists()
    assert await crowd.refused() == set()
    assert await operator.healthy()
