"""Two programs build each set: where they differ, it is told."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from ocdp_operator.errors import SettingsError
from ocdp_operator.manifests.rendering import Programs
from ocdp_operator.manifests.repository import Repository
from ocdp_operator.manifests.validation import validate
from tests.integration.manifests.conftest import Validate

ANOTHER = """#!/bin/sh
[ "$1" = version ] && {{ echo "Kustomize Version: {version}"; exit; }}
{kubectl} "$@" | {sed} 's/replicas: 1/replicas: 2/'
"""
"""A kubectl that builds something else, and says to be of some version."""


def another_kubectl(directory: Path, programs: Programs, version: str) -> Path:
    path = directory / "kubectl"
    path.write_text(ANOTHER.format(version=version, kubectl=programs.kubectl, sed=shutil.which("sed")))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def test_a_kubectl_of_the_same_version_that_builds_something_else_is_an_error(
    clean: Path, validated: Validate, programs: Programs, tmp_path: Path
):
    kubectl = another_kubectl(tmp_path, programs, programs.kustomize_version)
    report = await validated(clean, kubectl=kubectl)
    first = report.problems[0]
    assert (first.where, first.object, first.field) == (
        "apps/code-server/base",
        "Deployment/code-server",
        "spec.replicas",
    )
    assert first.what.endswith("differ: 1 and 2")
    assert report.warnings == ()


async def test_a_kubectl_of_another_version_that_differs_is_a_warning_that_names_both(
    clean: Path, validated: Validate, programs: Programs, tmp_path: Path
):
    report = await validated(clean, kubectl=another_kubectl(tmp_path, programs, "v5.0.1"))
    assert report.problems == ()
    assert {warning.field for warning in report.warnings} == {"spec.replicas"}
    assert all(
        "kustomize v5.8.1 and kubectl's kustomize v5.0.1" in warning.what for warning in report.warnings
    )


async def test_another_kustomize_than_the_pinned_one_is_refused(clean: Path, programs: Programs):
    other = Programs(programs.kustomize, "v5.0.1", programs.kubectl)
    with pytest.raises(SettingsError, match=r"is kustomize v5\.8\.1, and v5\.0\.1 is needed"):
        await validate(Repository.at(clean), other)


async def test_what_is_refused_is_not_built(tree: Path, validated: Validate):
    (tree / "tests/kustomize/environment/fast/kustomization.yaml").write_text("generators: [run.yaml]\n")
    report = await validated(tree)
    built = {verdict.target.name: verdict.built for verdict in report.verdicts}
    assert built["code-server-site"] is False
    assert built["code-server-plain"] is True
    assert built["code-server base"] is True


async def test_a_problem_of_a_base_is_told_for_the_base_first(tree: Path, validated: Validate):
    service = tree / "apps/code-server/base/service.yaml"
    service.write_text(service.read_text().replace("type: ClusterIP", "type: ExternalName"))
    report = await validated(tree)
    assert report.problems[0].where == "apps/code-server/base"
