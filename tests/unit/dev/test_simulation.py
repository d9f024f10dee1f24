from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.simulation import write_stages

OWN = ("pod-ready", "pod-complete", "pod-delete", "node-initialize", "node-heartbeat-with-lease")
OURS = {
    "simulate-crashloop",
    "simulate-imagepull",
    "simulate-notready",
    "simulate-recovered",
    "simulate-slow",
}


def kwok_stages(directory: Path, names: tuple[str, ...] = OWN) -> Path:
    directory.mkdir()
    for name in names:
        stage = {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "Stage",
            "metadata": {"name": name},
            "spec": {"selector": {"matchExpressions": [{"key": ".status.phase", "operator": "Exists"}]}},
        }
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(stage))
    return directory


def written(tmp_path: Path) -> dict[str, dict[str, Any]]:
    files = write_stages(kwok_stages(tmp_path / "kwok"), tmp_path / "stages")
    stages = [yaml.safe_load(file.read_text()) for file in files]
    return {stage["metadata"]["name"]: stage for stage in stages}


def excluded(stage: dict[str, Any]) -> set[str]:
    return {
        value
        for expression in stage["spec"]["selector"]["matchExpressions"]
        if expression["operator"] == "NotIn" and "ocdp.io/simulate" in expression["key"]
        for value in expression["values"]
    }


def test_all_stages_of_kwok_and_ours_are_written(tmp_path: Path) -> None:
    assert set(written(tmp_path)) == {*OWN, *OURS}


@pytest.mark.parametrize(
    ("stage", "left_alone"),
    [
        ("pod-ready", {"crashloop", "imagepull", "notready", "recovered", "slow"}),
        ("pod-complete", {"crashloop", "imagepull", "notready"}),
        ("pod-delete", set()),
        ("node-initialize", set()),
    ],
)
def test_stages_of_kwok_leave_pods_alone_that_ask(tmp_path: Path, stage: str, left_alone: set[str]) -> None:
    assert excluded(written(tmp_path)[stage]) == left_alone


def test_missing_stages_of_kwok_are_named(tmp_path: Path) -> None:
    source = kwok_stages(tmp_path / "kwok", ("pod-ready", "pod-delete"))

    with pytest.raises(
        LocalEnvironmentError, match="node-heartbeat-with-lease, node-initialize, pod-complete"
    ):
        write_stages(source, tmp_path / "stages")
