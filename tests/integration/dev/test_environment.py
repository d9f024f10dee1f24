"""`ocdp dev up`, `status` and `down`, as a person runs them."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psycopg
import pytest

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.guard import chosen_cluster
from ocdp_operator.dev.record import Record
from tests.support.fix_controlplane import Namespaces


@pytest.fixture
async def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Record]:
    """The record of a person with nothing up, in a directory with one app."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "apps" / "demo").mkdir(parents=True)
    (tmp_path / "apps" / "demo" / "kustomization.yaml").write_text("resources: []\n")
    monkeypatch.chdir(tmp_path)
    record = Record()
    yield record
    await record.end()


@dataclass(frozen=True)
class Ended:
    code: int
    output: str
    errors: str


async def ocdp_dev(*arguments: str) -> Ended:
    command = (sys.executable, "-m", "ocdp_operator.cli.dev", *arguments)
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    output, errors = await child.communicate()
    assert child.returncode is not None
    return Ended(child.returncode, output.decode(), errors.decode())


async def test_everything_is_up_until_it_is_ended(binaries: Binaries, record: Record) -> None:
    assert (await ocdp_dev("status")).code == 1

    up = await ocdp_dev("up", "--detach")
    assert up.code == 0, up.errors
    running = record.read()
    assert running is not None
    assert (record.directory / "environment.json").stat().st_mode & 0o777 == 0o600
    assert str(running.kubeconfig) in (await ocdp_dev("status")).output

    async with chosen_cluster(running.kubeconfig) as cluster:
        assert "local-1" in await cluster.kubectl("get", "nodes")
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
    refs = f"{running.repository_url}/info/refs?service=git-upload-pack"
    async with aiohttp.ClientSession() as session, session.get(refs) as response:
        assert "refs/tags/demo-v0.1.0" in await response.text()

    second = await ocdp_dev("up")
    assert second.code == 1
    assert "is up already" in second.errors

    assert (await ocdp_dev("down")).output == "ended\n"
    assert not running.kubeconfig.exists()
    assert record.read() is None
    assert (await ocdp_dev("down")).output == "nothing was up\n"


async def test_each_test_gets_namespaces_of_its_own(control_plane: Cluster, namespace: Namespaces) -> None:
    one, two = await namespace(), await namespace("b", labels={"ocdp.io/workspace": "team-b"})

    found = json.loads(await control_plane.kubectl("get", "namespace", one, two, "-o", "json"))["items"]
    assert {item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for item in found} == {
        "restricted"
    }
    assert found[1]["metadata"]["labels"]["ocdp.io/workspace"] == "team-b"


async def test_a_tool_that_is_not_told_its_cluster_finds_none(binaries: Binaries) -> None:
    kubectl = await asyncio.create_subprocess_exec(
        str(binaries.kubectl), "config", "get-contexts", "--no-headers", stdout=PIPE
    )

    assert (await kubectl.communicate())[0] == b""
