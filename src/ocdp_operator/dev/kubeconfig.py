"""Writing kubeconfig files: self-contained, one context, readable by their owner alone."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Login:
    """How somebody reaches an API server."""

    server: str
    authority: str
    """PEM; empty: an authority that the machine trusts."""
    user: str
    token: str = field(repr=False)
    namespace: str = "default"
    token_file: Path | None = None
    """Where the token is instead, to be read again as it is renewed."""


def write_kubeconfig(path: Path, login: Login, *, cluster: str = "ocdp-local") -> Path:
    """Writes ``path`` with mode 0600 and exactly one context, named ``cluster``; returns ``path``."""
    target = {"server": login.server}
    if login.authority:
        target["certificate-authority-data"] = base64.b64encode(login.authority.encode()).decode()
    user = {"tokenFile": str(login.token_file)} if login.token_file else {"token": login.token}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": target}],
        "users": [{"name": login.user, "user": user}],
        "contexts": [
            {
                "name": cluster,
                "context": {"cluster": cluster, "user": login.user, "namespace": login.namespace},
            }
        ],
        "current-context": cluster,
    }
    write_private(path, yaml.safe_dump(document, sort_keys=False))
    return path


def write_private(path: Path, text: str) -> None:
    """Writes ``path``, readable and writable by its owner alone from its first moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
