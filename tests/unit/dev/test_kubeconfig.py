from __future__ import annotations

import base64
from pathlib import Path

import yaml

from ocdp_operator.dev.kubeconfig import Login, write_kubeconfig, write_private

LOGIN = Login("https://127.0.0.1:1", "PEM", "ann", "s3cret", namespace="team-a")


def test_kubeconfig_has_one_context_with_server_authority_and_token(tmp_path: Path) -> None:
    document = yaml.safe_load(
        write_kubeconfig(tmp_path / "ann.kubeconfig", LOGIN, cluster="here").read_text()
    )

    authority = base64.b64encode(b"PEM").decode()
    assert document["current-context"] == "here"
    assert document["clusters"] == [
        {"name": "here", "cluster": {"server": LOGIN.server, "certificate-authority-data": authority}}
    ]
    assert document["users"] == [{"name": "ann", "user": {"token": "s3cret"}}]
    assert document["contexts"][0]["context"] == {"cluster": "here", "user": "ann", "namespace": "team-a"}


def test_private_file_is_its_owners_alone_even_over_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("open")
    path.chmod(0o644)

    write_private(path, "closed")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "closed"


def test_token_is_not_shown() -> None:
    assert "s3cret" not in repr(LOGIN)
