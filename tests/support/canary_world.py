"""One team whose Git server and database demand passwords, and a template with every way of a secret into a pod."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql

from ocdp_operator.dev.gitserver import GitServer
from tests.support.apps import app_files, deployment, document, template
from tests.support.canaries import Places
from tests.support.world import Team


def canary(name: str) -> str:
    """Long enough to be nothing else, and a DNS label."""
    return f"{name}-{secrets.token_hex(8)}"


def _secret(title: str) -> dict[str, Any]:
    return {"type": ["string", "null"], "title": title, "description": title, "x-ocdp": {"secret": True}}


def _template(id_: str, url: str, **changes: Any) -> dict[str, Any]:
    made = template(id_, url)
    properties = made["schema"]["properties"]
    properties |= {name: _secret(name) for name in ("direct", "copied", "derived")}
    properties["port"] = {
        "type": "integer", "title": "Port", "description": "Of the Service.", "minimum": 1, "maximum": 99999, "default": 80,
    }  # fmt: skip
    made["mappings"] += [
        {"from": "values.direct", "secret": {"key": "DIRECT"}},
        {"from": "values.copied", "secret": {"key": "COPIED"}},
        {"value": '"Bearer " + values.derived', "when": "has(values.derived) && values.derived != null", "secret": {"key": "HEADER"}},
        {"from": "values.port", "patch": {"kind": "Service", "name": "web", "pointer": "/spec/ports/0/port", "op": "replace"}},
    ]  # fmt: skip
    reference = {"secretKeyRef": {"name": "some-secret", "key": "some-key"}}
    made["examples"].append({"direct": reference, "copied": reference, "derived": reference, "port": 81})
    return made | changes


def canary_files() -> dict[str, bytes]:
    """The application, which reads three keys by variables and one by a volume."""
    body = deployment()
    pod = body["spec"]["template"]["spec"]
    pod["containers"][0]["env"] += [
        {
            "name": key,
            "valueFrom": {"secretKeyRef": {"name": "credentials", "key": key, "optional": True}},
        }
        for key in ("DIRECT", "HEADER")
    ]
    items = [{"key": "COPIED", "path": "copied"}]
    pod["volumes"].append(
        {"name": "secret", "secret": {"secretName": "credentials", "items": items, "optional": True}}
    )
    return app_files(deployment=document(body))


def write_credentials(file: Path, origin: str, password: str) -> None:
    entry = {"origin": origin, "username": "reader", "password": password}
    file.write_text(yaml.safe_dump({"origins": [entry]}))


@dataclass
class Canaries:
    """The values that must be found nowhere."""

    values: dict[str, str] = field(default_factory=dict)

    def new(self, name: str) -> str:
        self.values[name] = canary(name)
        return self.values[name]


@dataclass
class CanaryWorld:
    """One team with an operator of its own, which logs everything; its Git server and its database demand passwords."""

    places: Places
    canaries: Canaries
    role: str
    git: GitServer
    credentials_file: Path
    """Of the operator; publishing has its own."""

    @property
    def team(self) -> Team:
        return self.places.team

    async def put_secret(self, name: str, *, labels: dict[str, str] | None = None, **data: str) -> None:
        metadata = {
            "name": name,
            "namespace": self.team.namespace,
            "labels": {"ocdp.io/claimable": "true"} if labels is None else labels,
        }
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}
        await self.team.platform.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(body))

    async def holds(self, claim: str, key: str, value: str) -> bool:
        return (await self.held(claim)).get(key) == value

    async def rotated(self, claim: str, request: str) -> bool:
        found = await self.team.get_claim(claim)
        return bool(found["status"].get("lastHandledRotation") == request)

    async def held(self, claim: str) -> dict[str, str]:
        found = await self.team.find("secret", f"{claim}-credentials")
        data = (found or {}).get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def let_git_in(self, password: str) -> None:
        write_credentials(self.credentials_file, self.git.origin, password)

    async def login(self, *, allowed: bool) -> None:
        """Lets the operator's role into the database, or throws it out."""
        word = sql.SQL("LOGIN" if allowed else "NOLOGIN")
        async with await psycopg.AsyncConnection.connect(
            self.team.platform.dsn, autocommit=True
        ) as connection:
            await connection.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(self.role), word))
            if not allowed:
                ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
                await connection.execute(ended, (self.role,))


async def leave(world: CanaryWorld) -> None:
    """Lets no claim be left to an operator that knows nothing of the Git server."""
    team, operator = world.team, world.places.operator
    if not operator.running:
        await operator.start()
    await team.platform.kubectl("delete", "wc", "--all", "-n", team.namespace, "--timeout=60s")
    await team.platform.kubectl("delete", "namespace", team.namespace, "--wait=false")


async def publish(world: CanaryWorld, *, files: dict[str, bytes] | None = None, **changes: Any) -> None:
    """A revision of the template, from the files of the application."""
    team = world.team
    commit = await team.repository.commit(files or canary_files(), "a change")
    await team.repository.tag("v1", commit, force=True)
    await team.platform.publish(_template(team.template_id, team.repository_url, **changes))


def values(**more: Any) -> dict[str, Any]:
    """Three secrets of the user, each used in another way."""
    return {
        name: {"secretKeyRef": {"name": "upstream", "key": name}} for name in ("direct", "copied", "derived")
    } | more
