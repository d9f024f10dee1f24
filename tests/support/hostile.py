"""Hostile templates and claims by the dozen: rows that no publishing has looked at, and what becomes of each claim."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg.types.json import Jsonb

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, claim, document, template
from tests.support.world import Claim, Team, condition, eventually, is_ready

_PLACE = "where the values stand"
_TEMPLATE = "INSERT INTO ocdp.workload_templates (id) VALUES (%s)"
_REVISION = """
INSERT INTO ocdp.workload_template_revisions
       (template_id, revision, template_type, source_type, repository_url, ref, path, commit, body)
VALUES (%s, 1, 'kustomize', 'gitKustomize', %s, %s, %s, %s, %s)
"""
_BINDING = "INSERT INTO ocdp.access_bindings (template_id, workspace_id) VALUES (%s, %s)"


@dataclass(frozen=True)
class Case:
    """One template and one claim of it. What is left out is that of the thin application."""

    files: Mapping[str, Any] | None = None
    """Committed for this case alone; None: what the case before it committed, or the application."""
    values: Mapping[str, Any] | str = field(default_factory=dict)
    """Or their JSON, where no library would write it."""
    source: Mapping[str, str] = field(default_factory=dict)
    """``repository_url``, ``ref``, ``path``, ``commit``, as a hand would write them into the row."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the template file."""


@dataclass
class Crowd:
    """A claim for each case, all at once in one namespace, beside a claim that nothing is wrong with."""

    team: Team
    names: Mapping[str, str]
    """From case to claim."""

    @classmethod
    async def of(cls, team: Team, cases: Mapping[str, Case]) -> Crowd:
        """Commits, writes the rows and makes the claims; returns before any of them is looked at."""
        names = {case: f"c{number}" for number, case in enumerate(cases)}
        good = await team.repository.commit(app_files(), "the application")
        sources = {case: await _source(team, each, good) for case, each in cases.items()}
        await write_rows(team, {names[case]: (sources[case], each.body) for case, each in cases.items()})
        claims = [
            json.dumps(
                claim(name, team.namespace, row_id(team, name), team.workspace, values=_PLACE)
            ).replace(
                json.dumps(_PLACE),
                values if isinstance(values := cases[case].values, str) else json.dumps(values),
            )
            for case, name in names.items()
        ]
        claims.append(json.dumps(claim("good", team.namespace, team.template_id, team.workspace)))
        documents = f'{{"apiVersion": "v1", "kind": "List", "items": [{", ".join(claims)}]}}'
        await team.platform.kubectl("create", "-f", "-", stdin=documents)
        return cls(team, names)

    async def settled(self, *, seconds: float = 60.0) -> dict[str, Claim]:
        """Each claim by its case, once every one is Ready or Stalled; the good one must be Ready too."""

        async def check() -> dict[str, Claim] | None:
            found = {each["metadata"]["name"]: each for each in await self.claims()}
            done = all(is_ready(each) or _is_stalled(each) for each in found.values())
            return found if done and is_ready(found["good"]) else None

        try:
            found = await eventually(check, "every claim is Ready or Stalled", seconds=seconds)
        except AssertionError:
            known = {name: case for case, name in self.names.items()}
            left = {
                known.get(each["metadata"]["name"], "good"): condition(each, "Ready")
                for each in await self.claims()
                if not (is_ready(each) or _is_stalled(each))
            }
            raise AssertionError(f"not settled: {json.dumps(left, indent=1)}") from None
        return {case: found[name] for case, name in self.names.items()}

    async def claims(self) -> list[Claim]:
        """Every claim of the namespace, without spec and managedFields: no library might read them."""
        plain = ("name", "uid", "generation", "resourceVersion")
        parts = (*(f"{{.metadata.{part}}}" for part in plain), "{.status}")
        template_ = "{range .items[*]}" + "{'\\n'}".join(parts) + "{'\\n'}{end}"
        said = await self.team.platform.kubectl(
            "get", "wc", "-n", self.team.namespace, "-o", f"jsonpath={template_}"
        )
        lines = said.split("\n")[:-1]
        found = []
        for name, uid, generation, version, status in zip(
            *(lines[n :: len(parts)] for n in range(len(parts))), strict=True
        ):
            metadata = {"name": name, "uid": uid, "generation": int(generation), "resourceVersion": version}
            found.append({"metadata": metadata, "status": json.loads(status or "{}")})
        return found

    async def refused(self) -> set[str]:
        """``Kind/name`` of every marked object that is not the good claim's: there should be none."""
        good = (await self.team.get_claim("good"))["metadata"]["uid"]
        return await self.team.marked() - await self.team.marked(good)

    async def everything_said(self, operator: OperatorProcess) -> str:
        """All that a person can read: claims with their status, Workloads, events, and the operator's log."""
        shown = await self.team.platform.get("wl,events", "-n", self.team.namespace)
        return json.dumps([shown, await self.claims()]) + operator.log.read_text()


def row_id(team: Team, name: str) -> str:
    """The template's id in the catalog."""
    return f"{name}-{team.workspace}"


async def write_rows(
    team: Team, rows: Mapping[str, tuple[tuple[str, str, str, str], Mapping[str, Any]]]
) -> None:
    """Templates and bindings by SQL, as somebody with the right to write the catalog could: name -> source, body."""
    async with await psycopg.AsyncConnection.connect(team.platform.dsn) as connection:
        for name, (source, body) in rows.items():
            id_ = row_id(team, name)
            whole = template(id_, team.repository_url, **body)
            kept = {key: whole[key] for key in ("schema", "mappings", "components", "examples")}
            await connection.execute(_TEMPLATE, (id_,))
            await connection.execute(_REVISION, (id_, *source, Jsonb(kept)))
            await connection.execute(_BINDING, (id_, team.workspace))


async def _source(team: Team, case: Case, good: str) -> tuple[str, str, str, str]:
    commit = good
    if case.files is not None:
        commit = await team.repository.commit(case.files, "a hostile change")
        await team.repository.tag(f"k{commit[:12]}", commit, force=True)
    said = {
        "repository_url": team.repository_url,
        "ref": "v1",
        "path": "web/base",
        "commit": commit,
    } | case.source
    return said["repository_url"], said["ref"], said["path"], said["commit"]


def _is_stalled(found: Claim) -> bool:
    stalled = condition(found, "Stalled")
    return (
        stalled.get("status") == "True" and stalled["observedGeneration"] == found["metadata"]["generation"]
    )


def codes(claims: Mapping[str, Claim]) -> dict[str, str]:
    """Why each claim is refused, by its case; ``Ready`` for one that is not."""
    return {case: found["status"].get("failure", {}).get("code", "Ready") for case, found in claims.items()}


def messages(claims: Mapping[str, Claim]) -> dict[str, str]:
    """What each refused claim says."""
    return {case: found["status"]["failure"]["message"] for case, found in claims.items()}


def with_base(**changes: Any) -> dict[str, Any]:
    """The application's files with keys of its base's kustomization changed."""
    files = app_files()
    base = yaml.safe_load(files["web/base/kustomization.yaml"])
    return {**files, "web/base/kustomization.yaml": document(base | changes)}


def peak_memory(pid: int) -> int:
    """Bytes that a process has held at most, or any of those below it that live at this moment."""
    found = 0
    for process in (pid, *_below(pid)):
        with suppress(OSError):
            status = Path(f"/proc/{process}/status").read_text()
            held = [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
            found = max(found, *held, 0)
    return found


def _below(pid: int) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for path in list(Path(f"/proc/{pid}/task").glob("*/children")):
            for child in path.read_text().split():
                found |= {int(child), *_below(int(child))}
    return found


def disk(directory: Path) -> int:
    """Bytes below a directory, as blocks on the disk."""
    total = 0
    for place, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.lstat(Path(place) / name).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
