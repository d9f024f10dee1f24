"""Every place where a secret could leak to, as text, and a search of all of them (acceptance of secrets).

A place is searched for a value as it is, in base64 (alone, or amid other text), and percent-encoded.
"""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import psycopg
from psycopg import sql

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import CLUSTER_ID, Platform
from tests.support.commands import Ocdp
from tests.support.world import Team

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
PREVIEWED: Final = ("ide", "leaky")
"""Claims of which previews are made; each costs some seconds."""
_BUILD: Final = """#!/bin/bash
# kustomize, with what it reads and what it says written down: no file may be written here, so it goes through a pipe.
set -o pipefail
if [ "$1" = build ]; then /usr/bin/find . -type f -exec /bin/cat {{}} + > {pipe}; fi
{kustomize} "$@" 2> >(/usr/bin/tee {pipe} >&2) | /usr/bin/tee {pipe}
"""


@dataclass
class RecordedBuilds:
    """A ``kustomize`` that tells of every file of a build's temporary directory, and of what came out of it."""

    program: Path
    text: bytearray = field(default_factory=bytearray)

    @classmethod
    @asynccontextmanager
    async def recording(cls, directory: Path, kustomize: Path) -> AsyncIterator[Self]:
        """Records for as long as the block runs."""
        pipe = directory / "pipe"
        recorder = cls(_made(directory, pipe, kustomize))
        # Open for reading and writing: neither we nor a build ever wait for the other side, and the end never comes.
        descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, recorder._read, descriptor)
        try:
            yield recorder
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def _read(self, descriptor: int) -> None:
        with suppress(BlockingIOError):
            self.text += os.read(descriptor, 1 << 20)


@dataclass
class Places:
    """What one team's claims, and the operator that serves them, leave anywhere."""

    team: Team
    operator: OperatorProcess
    builds: RecordedBuilds
    said: list[str] = field(default_factory=list)
    """What commands printed."""
    seen: list[str] = field(default_factory=list)
    """What previews printed."""

    @property
    def platform(self) -> Platform:
        """Of the team."""
        return self.team.platform

    async def texts(self) -> dict[str, bytes]:
        """Each place with everything that is there now."""
        places: dict[str, bytes] = {
            "log": self.operator.log.read_bytes(),
            "metrics": await self._metrics(),
            "commands": await self._commands(),
            "previews": await self._previews(),
            "temporary files": bytes(self.builds.text),
            "work directory": _files(self.operator.work),
            "mirrors": await _mirrors(self.operator.work),
            "catalog": await self._catalog(),
        }
        return places | await self._objects()

    async def found(self, values: Mapping[str, str]) -> set[tuple[str, str]]:
        """Pairs of a place and the name of a value that is there."""
        texts = await self.texts()
        wanted = {name: forms(value) for name, value in values.items()}
        return {
            (place, name)
            for place, text in texts.items()
            for name, looks in wanted.items()
            if any(look in text for look in looks)
        }

    async def say(self, *arguments: str) -> str:
        """Runs an ``ocdp`` command, and returns what it said, also when it failed; that is kept."""
        platform = self.platform
        ended = await Ocdp(platform.cluster.kubeconfig, self.team.namespace, platform.workdir)(
            *arguments, OCDP_CATALOG_DSN=platform.dsn, OCDP_SETTINGS=str(platform.settings_file)
        )
        self.said.append(ended.out + ended.err)
        return self.said[-1]

    async def _commands(self) -> bytes:
        for arguments in (
            ("template", "get", self.team.template_id),
            ("template", "list"),
            ("binding", "list"),
            ("claim", "list", "-n", self.team.namespace),
        ):
            await self.say(*arguments)
        for name in await self._claims():
            await self.say("claim", "get", name, "-n", self.team.namespace)
        return "\n".join(self.said).encode()

    async def _previews(self) -> bytes:
        where = ("--cluster", CLUSTER_ID, "-n", self.team.namespace)
        names = [name for name in await self._claims() if name in PREVIEWED]
        for name in names:
            for preview in ("render", "diff", "explain"):
                self.seen.append(await self.say(preview, name, *where))
        return "\n".join(self.seen).encode()

    async def _claims(self) -> list[str]:
        found = await self.platform.get("wc", "-n", self.team.namespace)
        return [claim["metadata"]["name"] for claim in found["items"]]

    async def _metrics(self) -> bytes:
        if not self.operator.running:
            return b""
        texts = []
        async with aiohttp.ClientSession() as session:
            for path in ("metrics", "healthz", "readyz"):
                async with session.get(f"{self.operator.url}/{path}") as answer:
                    texts.append(await answer.read())
        return b"\n".join(texts)

    async def _catalog(self) -> bytes:
        """The whole database as text: every row of every table."""
        rows: list[str] = []
        tables = (
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        )
        async with await psycopg.AsyncConnection.connect(self.platform.dsn) as connection:
            found = await (await connection.execute(tables)).fetchall()
            for schema, table in found:
                if schema in ("pg_catalog", "information_schema"):
                    continue
                query = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table))
                rows += [row[0] for row in await (await connection.execute(query)).fetchall()]
        return "\n".join(rows).encode()

    async def _objects(self) -> dict[str, bytes]:
        """Everything in the namespace. Of a Secret all but the data; of a claim all but what the user wrote there."""
        listed = await self.platform.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name")
        kinds = ",".join(sorted(set(listed.split()) - {"events", "events.events.k8s.io"}))
        where = ("-n", self.team.namespace, "--show-managed-fields")
        items = (await self.platform.get(kinds, *where))["items"]
        parts: dict[str, list[Any]] = {"status": [], "annotations": [], "managed fields": [], "objects": []}
        for item in items:
            metadata = item["metadata"]
            annotations = dict(metadata.pop("annotations", {}))
            if item["kind"] == "WorkloadClaim":
                annotations.pop(_LAST_APPLIED, None)
                item.pop("spec")
            if item["kind"] == "Secret":
                item.pop("data", None)
                annotations.pop(_LAST_APPLIED, None)
            parts["status"].append(item.pop("status", None))
            parts["annotations"].append(annotations)
            parts["managed fields"].append(metadata.pop("managedFields", None))
            parts["objects"].append(item)
        events = await self.platform.get("events", *where)
        return {place: json.dumps(found).encode() for place, found in (parts | {"events": [events]}).items()}


def _made(directory: Path, pipe: Path, kustomize: Path) -> Path:
    os.mkfifo(pipe)
    program = directory / "recorded"
    program.write_text(_BUILD.format(pipe=pipe, kustomize=kustomize))
    program.chmod(0o755)
    return program


def forms(value: str) -> list[bytes]:
    """How a value looks wherever it may have got to."""
    raw = value.encode()
    # Amid other text base64 depends on where it begins; what depends on the neighbours is cut off.
    shifted = [b64encode(b"\0" * shift + raw)[4 if shift else 0 :].rstrip(b"=")[:-2] for shift in range(3)]
    return [raw, quote(value, safe="").encode(), *shifted]


def _files(root: Path) -> bytes:
    found = bytearray()
    for path in sorted(_below(root)):
        found += f"{path.relative_to(root)}\n".encode()
        with suppress(OSError):  # it went meanwhile
            if path.is_file() and not path.is_symlink():
                found += path.read_bytes() + b"\n"
    return bytes(found)


async def _mirrors(root: Path) -> bytes:
    """Every object of every mirror, unpacked."""
    found = bytearray()
    for directory in _repositories(root):
        child = await asyncio.create_subprocess_exec(
            "git",
            "--git-dir",
            str(directory),
            "cat-file",
            "--batch-all-objects",
            "--batch",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        found += (await child.communicate())[0]
    return bytes(found)


def _repositories(root: Path) -> Iterable[Path]:
    return sorted(
        path.parent for path in _below(root) if path.name == "HEAD" and (path.parent / "objects").is_dir()
    )


def _below(root: Path) -> Iterator[Path]:
    """Every file and directory; one that a running operator takes away meanwhile is left out (``rglob`` fails for it)."""
    for directory, directories, files in os.walk(root):
        yield from (Path(directory, name) for name in (*directories, *files))
