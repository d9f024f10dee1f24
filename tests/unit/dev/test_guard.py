from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import UnnamedClusterError
from ocdp_operator.dev.guard import require_known, require_one_context
from ocdp_operator.dev.kubeconfig import Login, write_kubeconfig

BINARIES = Binaries(*(Path("none"),) * 8)


def kubeconfig(path: Path, server: str = "https://own:1") -> Path:
    return write_kubeconfig(path, Login(server, "PEM", "ann", "token"), cluster="own")


def cluster(path: Path) -> Cluster:
    return Cluster(kubeconfig(path / "own"), Login("https://own:1", "PEM", "", ""), BINARIES, path)


def with_contexts(path: Path, *names: str) -> Path:
    path.write_text(yaml.safe_dump({"contexts": [{"name": name, "context": {}} for name in names]}))
    return path


def test_a_file_with_one_context_names_a_cluster(tmp_path: Path) -> None:
    assert require_one_context(with_contexts(tmp_path / "k", "staging")) == "staging"


@pytest.mark.parametrize("names", [(), ("staging", "production")], ids=["none", "several"])
def test_a_file_that_leaves_a_choice_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(UnnamedClusterError, match="exactly one context"):
        require_one_context(with_contexts(tmp_path / "k", *names))


@pytest.mark.parametrize("text", ["[1]", "a: [", ""], ids=["a list", "no yaml", "empty"])
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text)

    with pytest.raises(UnnamedClusterError):
        require_one_context(tmp_path / "k")


def test_a_missing_file_is_refused_without_its_directory_being_told(tmp_path: Path) -> None:
    with pytest.raises(UnnamedClusterError) as caught:
        require_one_context(tmp_path / "absent")
    assert str(tmp_path) not in str(caught.value)


def test_a_kubeconfig_for_the_chosen_cluster_passes(tmp_path: Path) -> None:
    require_known(kubeconfig(tmp_path / "account"), cluster(tmp_path))


def test_a_kubeconfig_for_another_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnnamedClusterError, match="another cluster"):
        require_known(kubeconfig(tmp_path / "other", "https://production:6443"), cluster(tmp_path))
