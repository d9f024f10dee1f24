"""What the image is made of keeps step with the code, and its scripts say plainly what is missing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ocdp_operator import __version__
from ocdp_operator.dev.recipes import RECIPES

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
KUSTOMIZE = next(f"v{recipe.version}" for recipe in RECIPES if recipe.name == "kustomize")


def test_the_image_has_the_kustomize_that_tests_run_with() -> None:
    assert f"ARG KUSTOMIZE_VERSION={KUSTOMIZE}\n" in DOCKERFILE
    assert f'"$KUSTOMIZE_VERSION" = {KUSTOMIZE} ]' in (ROOT / "hack" / "get-kustomize").read_text()


def test_the_image_and_the_deployment_agree() -> None:
    deployment = yaml.safe_load((ROOT / "config/manager/deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user = pod["securityContext"]["runAsUser"]
    variables = {each["name"]: each.get("value") for each in container["env"]}

    assert f"USER {user}:{pod['securityContext']['runAsGroup']}\n" in DOCKERFILE
    assert f"OCDP_WORK_DIR={variables['OCDP_WORK_DIR']} " in DOCKERFILE
    assert "command" not in container
    assert container["args"][0] == "run"


def test_the_install_names_this_version() -> None:
    (image,) = yaml.safe_load((ROOT / "config/manager/kustomization.yaml").read_text())["images"]

    assert image["newTag"] == __version__


def test_the_build_backend_is_the_one_that_developers_have() -> None:
    def versions(lock: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / "requirements" / lock).read_text(), re.MULTILINE))

    assert versions("build.lock") <= versions("dev.lock")


def script(*argv: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("bash") or "bash", str(ROOT / "hack" / argv[0]), *argv[1:]]
    return subprocess.run(
        command,
        env={"PATH": str(path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def no_engine(tmp_path: Path) -> Path:
    """A PATH with what the scripts need, and neither docker, podman, buildah nor kind."""
    for tool in ("dirname", "git", "sed", "sh", "uname", "sha256sum", "install", "cut"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["image"], "no docker engine, podman or buildah"),
        (["kind", "up"], "needs a running Docker engine"),
        (["kind", "down"], "needs a running Docker engine"),
        (["kind", "test"], "needs a running Docker engine"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_without_an_engine_there_is_a_plain_message(argv: list[str], why: str, no_engine: Path) -> None:
    ended = script(*argv, path=no_engine)

    assert ended.returncode == 1
    assert why in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.fixture
def kustomize(tmp_path: Path) -> Path:
    path = tmp_path / "given" / "kustomize"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\necho {KUSTOMIZE}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("checksum", "version", "why"),
    [
        pytest.param("", KUSTOMIZE, "Give KUSTOMIZE_SHA256", id="none"),
        pytest.param("0" * 64, KUSTOMIZE, "another checksum", id="wrong"),
        pytest.param("right", "v5.0.0", f"is {KUSTOMIZE}, not v5.0.0", id="another version"),
    ],
)
def test_a_kustomize_that_is_not_the_one_meant_is_refused(
    checksum: str, version: str, why: str, kustomize: Path, no_engine: Path, tmp_path: Path
) -> None:
    right = hashlib.sha256(kustomize.read_bytes()).hexdigest()
    given = {"KUSTOMIZE_SHA256": right if checksum == "right" else checksum, "KUSTOMIZE_VERSION": version}
    ended = script("get-kustomize", str(kustomize), str(tmp_path / "out"), path=no_engine, **given)

    assert ended.returncode == 1
    assert why in ended.stderr


def test_a_kustomize_with_its_checksum_is_put_in_place(
    kustomize: Path, no_engine: Path, tmp_path: Path
) -> None:
    given = {
        "KUSTOMIZE_SHA256": hashlib.sha256(kustomize.read_bytes()).hexdigest(),
        "KUSTOMIZE_VERSION": KUSTOMIZE,
    }
    ended = script("get-kustomize", str(kustomize), str(tmp_path / "out"), path=no_engine, **given)

    assert ended.returncode == 0, ended.stderr
    assert os.access(tmp_path / "out", os.X_OK)
