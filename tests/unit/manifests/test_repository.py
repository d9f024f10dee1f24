"""Which sets a tree of files gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocdp_operator.errors import SettingsError
from ocdp_operator.manifests.repository import Repository


def repository(root: Path, *directories: str) -> Repository:
    """A tree with an empty kustomization file in each of these."""
    for directory in ("apps", *directories):
        (root / directory).mkdir(parents=True, exist_ok=True)
    for directory in directories:
        (root / directory / "kustomization.yaml").touch()
    return Repository.at(root)


def components(*names: str) -> list[str]:
    return [f"apps/web/components/{name}" for name in names]


def test_a_base_stands_alone_and_with_each_choice_of_components(tmp_path: Path):
    tree = repository(
        tmp_path, "apps/web/base", *components("cpu-only", "ingress", "network-policy", "service-nodeport")
    )
    assert {target.name for target in tree.targets()} == {
        "web base",
        "web base + cpu-only",
        "web base + network-policy",
        "web base + ingress",
        "web base + service-nodeport",
        "web base + cpu-only + ingress",
        "web base + cpu-only + service-nodeport",
        "web base + network-policy + ingress",
        "web base + network-policy + service-nodeport",
        "web base + cpu-only + network-policy",
        "web base + cpu-only + network-policy + ingress",
        "web base + cpu-only + network-policy + service-nodeport",
    }


def test_what_others_build_on_comes_first(tmp_path: Path):
    tree = repository(
        tmp_path, "apps/web/base", *components("a", "ingress"), "tests/kustomize/web-a", "apps/api/base"
    )
    sizes = [len(target.components) for target in tree.targets() if target.app == "web"]
    assert sizes == [0, 1, 1, 2, 0]
    assert tree.targets()[-1].is_overlay


def test_the_number_of_sets_does_not_double_with_each_component(tmp_path: Path):
    tree = repository(tmp_path, "apps/web/base", *components(*"abcdefgh"))
    # None, eight, every pair of eight, all.
    assert len(tree.targets()) == 1 + 8 + 28 + 1


def test_a_problem_of_one_component_is_told_for_that_component(tmp_path: Path):
    tree = repository(tmp_path, "apps/web/base", *components("a", "b"))
    places = {target.name: target.where for target in tree.targets()}
    assert places["web base"] == "apps/web/base"
    assert places["web base + a"] == "apps/web/components/a"
    assert places["web base + a + b"] == "web base + a + b"


def test_an_overlay_belongs_to_the_app_with_the_longest_name(tmp_path: Path):
    tree = repository(
        tmp_path,
        "apps/web/base",
        "apps/web-db/base",
        "tests/kustomize/web-db-site",
        "tests/kustomize/web-site",
    )
    owners = {target.name: target.app for target in tree.targets() if target.is_overlay}
    assert owners == {"web-db-site": "web-db", "web-site": "web"}


def test_what_overlays_share_is_no_overlay(tmp_path: Path):
    tree = repository(
        tmp_path, "apps/web/base", "tests/kustomize/environment/proxy", "tests/kustomize/golden/x"
    )
    assert [target.name for target in tree.targets()] == ["web base"]
    assert list(tree.misplaced()) == []


def test_what_no_set_comes_from_is_told(tmp_path: Path):
    tree = repository(tmp_path, "apps/web/base", "tests/kustomize/other-site")
    for directory in ("apps/empty", "apps/web/components/empty", "tests/kustomize/web-empty"):
        (tmp_path / directory).mkdir(parents=True)
    assert {problem.where for problem in tree.misplaced()} == {
        "apps/empty/base",
        "apps/web/components/empty",
        "tests/kustomize/other-site",
        "tests/kustomize/web-empty",
    }


def test_a_directory_without_apps_is_no_repository(tmp_path: Path):
    with pytest.raises(SettingsError, match="holds no directory apps"):
        Repository.at(tmp_path)
