from __future__ import annotations

import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.recipes import RECIPES, Version

BY_NAME = {recipe.name: recipe for recipe in RECIPES}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("Kubernetes v1.36.3\n", Version(1, 36, 3), id="kube-apiserver"),
        pytest.param("etcd Version: 3.6.8\nGit SHA: none\nGo Version: go1.26.8", Version(3, 6, 8), id="etcd"),
        pytest.param(
            "Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", Version(1, 32, 4), id="kubectl"
        ),
        pytest.param("go1.26.8", Version(1, 26, 8), id="go"),
    ],
)
def test_version_is_found_in_what_a_program_prints(text: str, version: Version) -> None:
    assert Version.found_in(text) == version


def test_text_without_a_version_is_an_error() -> None:
    with pytest.raises(LocalEnvironmentError, match="No version"):
        Version.found_in("devel")


@pytest.mark.parametrize(
    ("name", "version", "accepted"),
    [
        pytest.param("kube-apiserver", Version(1, 36, 0), True, id="any-patch-of-the-minor"),
        pytest.param("kube-apiserver", Version(1, 35, 9), False, id="an-older-api-server"),
        pytest.param("kube-apiserver", Version(1, 37, 0), False, id="a-newer-api-server"),
        pytest.param("kubectl", Version(1, 35, 0), True, id="kubectl-one-minor-older"),
        pytest.param("kubectl", Version(1, 37, 0), True, id="kubectl-one-minor-newer"),
        pytest.param("kubectl", Version(1, 32, 4), False, id="kubectl-four-minors-older"),
        pytest.param("kubectl", Version(2, 36, 3), False, id="another-major"),
        pytest.param("etcd", Version(3, 5, 9), False, id="an-older-etcd"),
    ],
)
def test_only_versions_that_serve_are_accepted(name: str, version: Version, accepted: bool) -> None:
    assert BY_NAME[name].accepts(version) is accepted


def test_a_refusal_can_name_the_versions_that_serve() -> None:
    assert BY_NAME["kubectl"].wanted == "v1.35 to v1.37"
    assert BY_NAME["kube-apiserver"].wanted == "v1.36"
