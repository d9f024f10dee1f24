"""The real code-server, with the arguments, environment, files, user and root that its rendered Pod holds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.podprocess import PodProcess
from ocdp_operator.dev.podspec import ContainerRun
from tests.support.answers import Answer, ask, show
from tests.support.app_renderings import Build, kustomization, rendered
from tests.support.programs import code_server, read, running, status_of, write_beside

APP = "code-server"
PASSWORD = "correct-horse-battery"
URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Ide:
    """A running one."""

    process: PodProcess
    run: ContainerRun

    async def login(self, password: str) -> Answer:
        return await ask("POST", f"{URL}/login", data={"password": password})


@pytest.fixture
async def ide(build: Build, tmp_path: Path) -> AsyncIterator[Ide]:
    """Of a claim that gives it a name, as the operator renders it."""
    run = read(await rendered(build, APP, {"appName": "Team A"}), {"PASSWORD": PASSWORD}, tmp_path)
    async with running(code_server(), run, tmp_path) as process:
        await process.ready()
        yield Ide(process, run)


async def test_the_base_alone_becomes_ready_with_the_secret_of_its_readme(build: Build, tmp_path: Path):
    files = kustomization(resources=[f"../source/apps/{APP}/base"], namespace="my-ide")
    run = read(await build(files), {"PASSWORD": PASSWORD}, tmp_path)
    async with running(code_server(), run, tmp_path) as process:
        await process.ready()
        assert (await ask("GET", f"{URL}/login")).status == 200


async def test_every_probe_of_the_manifest_is_answered(ide: Ide):
    assert ide.run.probes.keys() == {"startup", "liveness", "readiness"}
    for probe in ide.run.probes.values():
        assert await ide.process.answers(probe), ide.process.tail()
    healthz = await ask("GET", f"{URL}/healthz")
    assert healthz.status == 200
    assert healthz.json()["status"] in {"alive", "expired"}  # expired: nobody has opened it yet


async def test_nobody_gets_in_without_the_password_of_the_secret(ide: Ide):
    home = await ask("GET", f"{URL}/")
    assert home.status == 302
    assert "/login" in home.headers["Location"]
    wrong = await ide.login("wrong-horse-battery")
    assert wrong.status == 200
    assert "Incorrect password" in wrong.text
    assert "Set-Cookie" not in wrong.headers


async def test_the_password_of_the_secret_opens_it(ide: Ide):
    right = await ide.login(PASSWORD)
    assert right.status == 302
    cookie = right.headers["Set-Cookie"]
    # The suffix is the instance's label: it keeps two of them behind one address apart.
    assert cookie.startswith("code-server-session-ide=")
    editor = await ask("GET", f"{URL}/?folder=/home/coder", headers={"Cookie": cookie.split(";")[0]})
    assert editor.status == 200
    assert "workbench" in editor.text


async def test_the_config_file_reaches_it(ide: Ide):
    assert "Team A" in (await ask("GET", f"{URL}/login")).text
    log = ide.process.log()
    assert "Using config file /etc/code-server/config.yaml" in log
    assert "Using password from $PASSWORD" in log


async def test_it_is_confined_as_the_manifest_says(ide: Ide):
    status = status_of(ide.process)
    assert (status["Uid"], status["Gid"]) == ("1000 1000 1000 1000", "1000 1000 1000 1000")
    assert (status["NoNewPrivs"], status["CapBnd"]) == ("1", "0" * 16)
    with pytest.raises(OSError, match="Read-only file system"):
        write_beside(ide.process, "/x")
    assert list(ide.run.mounts["/home/coder"].iterdir()), "it keeps its files in the home directory"


async def test_it_ends_by_itself_within_its_grace_period(ide: Ide):
    begin = time.monotonic()
    assert await ide.process.terminate() == 0, ide.process.tail()
    took = time.monotonic() - begin
    show(f"SIGTERM: 0 after {took:.2f} s")
    assert took < ide.run.grace_seconds - 5  # the preStop hook's


async def test_without_a_password_it_is_not_started(build: Build, tmp_path: Path):
    with pytest.raises(LocalEnvironmentError, match="no key PASSWORD"):
        read(await rendered(build, APP, {}), {}, tmp_path)


@pytest.mark.parametrize("line", ["no-such-flag: true", 'app-name: ""', "idle-timeout-seconds: 30"])
async def test_a_setting_that_the_readme_warns_of_stops_it(build: Build, tmp_path: Path, line: str):
    run = read(await rendered(build, APP, {}), {"PASSWORD": PASSWORD}, tmp_path)
    settings = run.mounts["/etc/code-server"] / "config.yaml"
    settings.write_text(f"auth: password\n{line}\n")
    async with running(code_server(), run, tmp_path) as process:
        assert await process.ended() == 1, process.tail()
    show(f"{line}: {process.log().strip().splitlines()[-1][:110]}")
