"""``ocdp profile`` against a real PostgreSQL."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from ocdp_operator.cli.app import main

Ocdp = Callable[..., tuple[int, str, str]]
CLUSTER = {
    "kind": "EnvironmentProfile",
    "id": "local",
    "cluster": "local",
    "storageClass": "standard",
    "ingress": {"class": "public", "domain": "apps.example.test"},
    "locked": ["ingress"],
}
CUSTOMER = {
    "kind": "EnvironmentProfile",
    "id": "acme",
    "customer": "acme",
    "labels": {"example.test/site": "a"},
}
WORKSPACE = {
    "kind": "EnvironmentProfile",
    "id": "team-a",
    "workspace": "team-a",
    "storageClass": None,
    "ingress": {"domain": "elsewhere.test"},
}


@pytest.fixture
def ocdp(catalog_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ocdp:
    """Runs ``ocdp`` over a catalog with one cluster and one workspace; gives its code and what it printed."""
    monkeypatch.setenv("OCDP_CATALOG_DSN", catalog_dsn)

    def call(*arguments: str, documents: list[dict[str, Any]] | None = None) -> tuple[int, str, str]:
        data = yaml.safe_dump_all(documents or []).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    placements = [{"cluster": "local", "namespace": "ns-a"}]
    call("cluster", "apply", "-f", "-", documents=[{"kind": "Cluster", "id": "local"}])
    workspace = {"kind": "Workspace", "id": "team-a", "customer": "acme", "placements": placements}
    assert call("workspace", "apply", "-f", "-", documents=[workspace])[0] == 0
    return call


@pytest.fixture
def published(ocdp: Ocdp) -> Ocdp:
    """The same with a profile of each layer."""
    assert ocdp("profile", "apply", "-f", "-", documents=[CLUSTER, CUSTOMER, WORKSPACE])[0] == 0
    return ocdp


def words(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]


def test_publishing_tells_the_revision_and_what_a_lock_overrules(ocdp: Ocdp):
    code, out, err = ocdp("profile", "apply", "-f", "-", documents=[CLUSTER, WORKSPACE])
    assert code == 0
    assert out.splitlines() == [
        "profile local published: revision 1, of cluster local",
        "profile team-a published: revision 1, of workspace team-a",
    ]
    assert err == "note: ingress.domain of profile team-a@1 counts for nothing: local@1 locks it.\n"
    code, out, err = ocdp("profile", "apply", "-f", "-", documents=[CUSTOMER])
    assert (code, err) == (0, "")
    assert (
        "unchanged: revision 1 already says this"
        in ocdp("profile", "apply", "-f", "-", documents=[CLUSTER])[1]
    )


def test_profiles_are_listed_for_people(published: Ocdp):
    rows = words(published("profile", "list")[1])
    assert rows[0] == ["PROFILE", "OF", "NAME", "REVISION", "PUBLISHED", "STATE", "SAYS"]
    assert [(row[0], row[1], row[2], row[3], row[6]) for row in rows[1:]] == [
        ("local", "cluster", "local", "1", "enabled"),
        ("acme", "customer", "acme", "1", "enabled"),
        ("team-a", "workspace", "team-a", "1", "enabled"),
    ]
    assert rows[1][7:] == ["storageClass,", "ingress,", "locked"]


def test_what_was_printed_can_be_applied_again(published: Ocdp):
    documents = list(yaml.safe_load_all(published("profile", "list", "-o", "yaml")[1]))
    out = published("profile", "apply", "-f", "-", documents=documents)[1]
    assert all("unchanged" in line for line in out.splitlines())
    assert documents[2]["storageClass"] is None
    (shown,) = json.loads(published("profile", "get", "local", "-o", "json")[1])
    assert {key: shown[key] for key in CLUSTER} == CLUSTER


def test_a_profile_says_what_it_says_and_what_it_takes_away(published: Ocdp):
    code, out, _ = published("profile", "get", "team-a")
    assert code == 0
    assert ["of", "workspace", "team-a"] in words(out)
    assert ["storageClass", "null"] in words(out)
    assert ["ingress.domain", "elsewhere.test"] in words(out)


def test_the_history_says_what_each_revision_changed(published: Ocdp):
    published(
        "profile",
        "apply",
        "-f",
        "-",
        documents=[CLUSTER | {"storageClass": "fast", "gpu": {"resource": "a/b"}}],
    )
    rows = words(published("profile", "history", "local")[1])[1:]
    assert [row[0] for row in rows] == ["2", "1"]
    assert set(" ".join(rows[0]).partition(":")[2].split()[2:]) == {"storageClass,", "gpu.resource"}
    assert rows[1][-2:] == ["first", "revision"]


def test_a_disabled_profile_is_given_to_nobody_anew(published: Ocdp):
    assert published("profile", "disable", "acme")[1] == "profile acme changed: disabled\n"
    shown = yaml.safe_load(
        published("profile", "show", "--workspace", "team-a", "--cluster", "local", "-o", "yaml")[1]
    )
    assert shown["profiles"] == ["local@1", "team-a@1"]
    assert published("profile", "enable", "acme")[1] == "profile acme changed: enabled\n"
    assert published("profile", "enable", "acme")[1] == "profile acme unchanged: enabled\n"


def test_the_merged_environment_says_where_each_field_comes_from(published: Ocdp):
    code, out, err = published("profile", "show", "--workspace", "team-a", "--cluster", "local")
    assert code == 0
    assert words(out) == [
        ["FIELD", "VALUE", "FROM", "LOCKED", "BY"],
        ["ingress.class", "public", "local@1", "local@1"],
        ["ingress.domain", "apps.example.test", "local@1", "local@1"],
        ["labels.example.test/site", "a", "acme@1", "-"],
    ]
    assert "ingress.domain of profile team-a@1 counts for nothing" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["get", "nothing"], "There is no profile nothing"),
        (["get", "local", "--revision", "7"], "There is no revision 7 of profile local"),
        (["history", "nothing"], "There is no profile nothing"),
        (["disable", "nothing"], "There is no profile nothing"),
        (["show", "--workspace", "nobody", "--cluster", "local"], "There is no workspace nobody"),
        (["show", "--workspace", "team-a", "--cluster", "nowhere"], "There is no cluster nowhere"),
    ],
    ids=["get", "revision", "history", "disable", "workspace", "cluster"],
)
def test_what_is_not_there_is_told_with_a_remedy(published: Ocdp, arguments: list[str], told: str):
    code, out, err = published("profile", *arguments)
    assert (code, out) == (1, "")
    assert told in err
    assert "what to do:" in err


def test_a_fault_names_its_place_and_nothing_is_stored(ocdp: Ocdp):
    wrong = CLUSTER | {"storageclass": "x", "labels": {"ocdp.io/x": "1"}, "locked": ["ingres"]}
    code, _, err = ocdp("profile", "apply", "-f", "-", documents=[CUSTOMER, wrong])
    assert code == 1
    assert "document 2, storageclass: unknown key" in err
    assert "document 2, labels: ocdp.io/x is not the profile's to set" in err
    assert "document 2, locked: a profile has no field ingres" in err
    assert len(words(ocdp("profile", "list")[1])) == 1
