from __future__ import annotations

from pathlib import Path

import pytest

from ocdp_operator.adapters.git import artifacts
from ocdp_operator.adapters.git.artifacts import ArtifactKey, Artifacts
from ocdp_operator.model.source import Artifact


def key(name: str) -> ArtifactKey:
    return ArtifactKey("https://git.example.test/apps.git", name * 40, ("base",))


def put(held: Artifacts, name: str, size: int = 10) -> Artifact:
    files = {"base/kustomization.yaml": b"x" * size}
    return held.add(key(name), held.write(files), files)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(artifacts.time, "monotonic", lambda: now[0])
    return now


def test_an_artifact_is_on_disk_and_in_memory_and_shared(tmp_path: Path):
    held = Artifacts(tmp_path, 1000)
    artifact = put(held, "a")
    assert (artifact.root / "base/kustomization.yaml").read_bytes() == artifact.files[
        "base/kustomization.yaml"
    ]
    assert held.get(key("a")) is artifact
    assert held.get(key("b")) is None


def test_what_was_not_used_for_longest_is_dropped_from_memory_and_disk(tmp_path: Path, clock: list[float]):
    held = Artifacts(tmp_path, 25)
    first, second = put(held, "a"), put(held, "b")
    clock[0] += 100
    held.get(key("a"))
    clock[0] += 100
    put(held, "c")
    assert held.get(key("b")) is None
    assert not second.root.exists()
    assert held.get(key("a")) is first
    assert len(list(tmp_path.iterdir())) == 2


def test_an_artifact_that_was_just_handed_out_stays(tmp_path: Path, clock: list[float]):
    held = Artifacts(tmp_path, 5)
    first = put(held, "a")
    put(held, "b")
    assert first.root.exists()
    clock[0] += 61
    put(held, "c")
    assert not first.root.exists()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path):
    held = Artifacts(tmp_path, 100)
    with pytest.raises(OSError, match="name too long"):
        held.write({"a": b"x", "b" * 300: b"x"})
    assert list(tmp_path.iterdir()) == []
