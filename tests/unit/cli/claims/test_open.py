"""How a workload is reached, by what its claim says."""

from __future__ import annotations

import webbrowser
from typing import Any

import pytest

from ocdp_operator.cli import claim
from ocdp_operator.cli.app import main


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the browser was asked to show."""
    urls: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not urls.append(url))
    return urls


def _open(monkeypatch: pytest.MonkeyPatch, *flags: str, endpoint: tuple[str, str] | None) -> int:
    status: dict[str, Any] = {}
    if endpoint is not None:
        status = {"endpoints": [{"name": endpoint[0], "url": endpoint[1]}], "url": endpoint[1]}
    raw = {
        "metadata": {
            "name": "ide",
            "namespace": "team-a",
            "uid": "u",
            "resourceVersion": "1",
            "generation": 1,
        },
        "spec": {"templateId": "code-server", "workspaceId": "team-a"},
        "status": status,
    }
    monkeypatch.setattr(claim, "_run", lambda _work, _where: raw)
    with pytest.raises(SystemExit) as ended:
        main(["claim", "open", "ide", *flags])
    return int(ended.value.code or 0)


def test_an_address_is_printed_and_opened(monkeypatch, opened, capsys):
    assert _open(monkeypatch, endpoint=("ingress", "https://ide.example.test")) == 0
    assert capsys.readouterr().out == "https://ide.example.test\n"
    assert opened == ["https://ide.example.test"]


def test_print_opens_no_browser(monkeypatch, opened, capsys):
    assert _open(monkeypatch, "--print", endpoint=("loadbalancer", "http://203.0.113.10")) == 0
    assert capsys.readouterr().out == "http://203.0.113.10\n"
    assert opened == []


def test_of_a_node_port_the_user_must_know_a_node(monkeypatch, opened, capsys):
    assert _open(monkeypatch, endpoint=("nodeport", "http://<any-node>:30080")) == 0
    told = capsys.readouterr()
    assert told.out == "http://<any-node>:30080\n"
    assert "the address of any node" in told.err
    assert opened == []


def test_an_internal_address_comes_with_a_port_forward(monkeypatch, opened, capsys):
    assert _open(monkeypatch, endpoint=("internal", "http://ide.team-a.svc")) == 0
    assert capsys.readouterr().out == (
        "kubectl port-forward -n team-a service/ide 8080:80\nhttp://localhost:8080\n"
    )
    assert opened == []


def test_without_an_address_it_says_what_it_waits_for(monkeypatch, opened, capsys):
    assert _open(monkeypatch, endpoint=None) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "has no address yet: the operator has not looked at it yet" in told.err
