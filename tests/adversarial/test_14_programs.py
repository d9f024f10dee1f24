"""Row 14: charts, functions and plugins. No program but kustomize is ever started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.errors import Reason, ReconcileError
from ocdp_operator.model.source import Artifact, Overlay
from tests.support.apps import document
from tests.support.hostile import Case, Crowd, codes, with_base
from tests.support.overlays import COMMIT
from tests.support.world import Team

OVERLAY = Overlay({"kustomization.yaml": b'{"resources": ["../source/web/base"]}'})
FAKES = ("git", "helm", "helmV3", "docker", "podman", "sh", "bash", "kubectl", "ssh", "plugin.sh")


def function(spec: str) -> dict[str, Any]:
    """A KRM function of one kind."""
    annotations = {"config.kubernetes.io/function": spec}
    return {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x", "annotations": annotations}}


PLUGINS: dict[str, dict[str, Any]] = {
    "an exec function": function("exec:\n  path: ./plugin.sh\n"),
    "an exec function on PATH": function("exec:\n  path: plugin.sh\n"),
    "a container function": function("container:\n  image: example.test/function:1\n  network: true\n"),
    "a starlark function": function("starlark:\n  path: plugin.star\n  name: x\n"),
    "a Go plugin": {"apiVersion": "someteam.example.com/v1", "kind": "Plugin", "metadata": {"name": "x"}},
    "the chart generator": {
        "apiVersion": "builtin",
        "kind": "HelmChartInflationGenerator",
        "metadata": {"name": "x"},
        "name": "x",
        "repo": "http://127.0.0.1:1",
        "version": "1",
    },
}
FIELDS = ("generators", "transformers", "validators")
CHARTS: dict[str, dict[str, Any]] = {
    "a chart of a repository": {"helmCharts": [{"name": "x", "repo": "http://127.0.0.1:1", "version": "1"}]},
    "a chart of the base": {
        "helmCharts": [{"name": "chart", "releaseName": "x"}],
        "helmGlobals": {"chartHome": "."},
    },
    "a chart in the old way": {
        "helmChartInflationGenerator": [{"chartName": "chart", "helmBin": "./plugin.sh"}]
    },
}


def builds(marker: str) -> dict[str, Mapping[str, bytes]]:
    """Bases that want a program, by name."""
    script = f"#!/bin/sh\ntouch {marker}\n".encode()
    chart = {
        "web/base/plugin.sh": script,
        "web/base/plugin.star": b"def run(): pass\n",
        "web/base/chart/Chart.yaml": b"apiVersion: v2\nname: chart\nversion: 1.0.0\n",
    }
    found = {
        f"{plugin} among {field}": with_base(**{field: ["plugin.yaml"]})
        | chart
        | {"web/base/plugin.yaml": document(body)}
        for plugin, body in PLUGINS.items()
        for field in FIELDS
    }
    inline = document(PLUGINS["an exec function"]).decode()
    found["a function written in place"] = with_base(transformers=[inline]) | chart
    return found | {name: with_base(**changes) | chart for name, changes in CHARTS.items()}


async def test_14_a_base_that_wants_a_program_is_refused(new_team, operator: OperatorProcess, tmp_path: Path):
    marker = tmp_path / "marker"
    team: Team = await new_team("programs")
    cases = {name: Case(files) for name, files in builds(str(marker)).items()}
    crowd = await Crowd.of(team, cases)
    found = await crowd.settled()
    assert codes(found) == dict.fromkeys(cases, "UnsafeBuild")
    assert await crowd.refused() == set()
    assert not marker.exists()
    assert await operator.healthy()


async def test_14_even_without_the_scan_no_program_is_started(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
):
    marker, fakes = tmp_path / "marker", tmp_path / "bin"
    fakes.mkdir()
    for name in FAKES:
        (fakes / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {marker}\n')
        (fakes / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(fakes))
    monkeypatch.setenv("KUSTOMIZE_PLUGIN_HOME", str(tmp_path / "plugins"))
    plugin = tmp_path / "plugins/someteam.example.com/v1/plugin/Plugin"
    plugin.parent.mkdir(parents=True)
    plugin.write_bytes((fakes / "sh").read_bytes())
    plugin.chmod(0o755)
    remote = with_base(resources=[f"http://127.0.0.1:1/o/r.git?ref=--upload-pack=touch {marker}"])
    refused = {}
    async with KustomizeRenderer(tmp_path / "work", kustomize=binaries.kustomize) as renderer:
        for number, (name, files) in enumerate({**builds(str(marker)), "a remote base": remote}.items()):
            artifact = _unpacked(tmp_path / f"artifact-{number}", files)
            try:
                await renderer.render(artifact, OVERLAY)
            except ReconcileError as error:
                refused[name] = error.reason
    assert refused == dict.fromkeys([*builds(""), "a remote base"], Reason.BUILD_FAILED)
    assert not marker.exists()


def _unpacked(root: Path, files: Mapping[str, bytes]) -> Artifact:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        (root / path).chmod(0o755)
    return Artifact(COMMIT, root, files)
