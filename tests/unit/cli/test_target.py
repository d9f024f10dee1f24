"""Which cluster and namespace a command works in, from files alone: nothing is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.adapters.cluster.connection import Login
from ocdp_operator.cli.target import target
from ocdp_operator.errors import SettingsError


def _document(name: str, *, current: str | None = None, **context: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.test"}}],
        "users": [{"name": name, "user": {"token": f"token-of-{name}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **context}}],
        **({} if current is None else {"current-context": current}),
    }


def _write(path: Path, document: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(document))
    return str(path)


@pytest.fixture
def two(tmp_path: Path) -> str:
    first = _write(tmp_path / "first", _document("first", current="first", namespace="team-a"))
    return f"{first}:{tmp_path / 'missing'}:" + _write(
        tmp_path / "second", _document("second", current="second")
    )


async def _login(kubeconfig: str, context: str | None = None) -> Login:
    login = Login([Path(each) for each in kubeconfig.split(":")], context)
    await login.load()
    return login


@pytest.mark.parametrize(
    ("context", "name", "namespace"),
    [(None, "first", "team-a"), ("first", "first", "team-a"), ("second", "second", "")],
)
async def test_several_files_are_merged_and_the_first_current_context_counts(
    two: str, context: str | None, name: str, namespace: str
) -> None:
    login = await _login(two, context)
    assert login.server == f"https://{name}.test"
    assert login.authorization == f"Bearer token-of-{name}"
    assert login.namespace == namespace


async def test_a_name_means_what_the_first_file_says(tmp_path: Path) -> None:
    document = _document("one", current="one", namespace="later")
    document["clusters"][0]["cluster"]["server"] = "https://other.test"
    later = _write(tmp_path / "later", document)
    first = _write(tmp_path / "first", _document("one", namespace="team-a"))
    login = await _login(f"{first}:{later}")
    assert (login.server, login.namespace) == ("https://one.test", "team-a")


async def test_token_file_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "token").write_text("from-file\n")
    document = _document("one", current="one")
    document["users"][0]["user"] = {"tokenFile": "token"}
    named = _write(tmp_path / "folder" / "config", document)
    login = await _login(_write(tmp_path / "first", {"kind": "Config"}) + ":" + named)
    assert login.authorization == "Bearer from-file"


@pytest.mark.parametrize(
    ("context", "given", "namespace"),
    [("first", None, "team-a"), ("first", "team-b", "team-b"), ("second", None, "default")],
)
async def test_namespace_is_the_one_given_then_the_contexts_then_default(
    two: str, context: str, given: str | None, namespace: str
) -> None:
    async with target(two, context, given) as (_, found):
        assert found == namespace


async def test_the_usual_file_is_read_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    _write(tmp_path / ".kube" / "config", _document("usual", current="usual", namespace="home"))
    async with target(None, None, None) as (_, namespace):
        assert namespace == "home"


@pytest.mark.parametrize("kubeconfig", ["missing", None])
async def test_without_a_kubeconfig_it_is_said_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kubeconfig: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    named = None if kubeconfig is None else str(tmp_path / kubeconfig)
    with pytest.raises(SettingsError) as caught:
        async with target(named, None, None):
            pass
    assert "--kubeconfig" in caught.value.remedy
    assert "service account" not in str(caught.value)
    if kubeconfig is None:
        assert str(caught.value) == "There is no kubeconfig."
        assert all(each in caught.value.remedy for each in ("KUBECONFIG", "~/.kube/config"))


async def test_an_unknown_context_is_named(two: str) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        async with target(two, "nowhere", None):
            pass
