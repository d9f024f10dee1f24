"""Servers that are away, slow, hostile, or want credentials: a clear reason, soon, and nothing left running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ocdp_operator.adapters.git import SourceLimits
from ocdp_operator.dev.gitserver import BasicAuth, GitServer
from ocdp_operator.errors import Dependency, Reason, ReconcileError, SettingsError, Stalled, Waiting
from ocdp_operator.model.source import PinnedSource
from tests.integration.git.conftest import (
    Answer,
    Listener,
    MakeSources,
    Recorder,
    hang,
    listening,
    pinned,
)
from tests.support.processes import processes

QUICK = SourceLimits(fetch_seconds=1.5, list_seconds=1.5, probe_seconds=1.5)
"""For servers that never end: a git that has not even started by then is given up for the same reason."""
ENOUGH = SourceLimits(fetch_seconds=6.0)
"""For a git that is to be there, with its connection, before it is given up."""
UNHURRIED = SourceLimits(probe_seconds=30.0, list_seconds=30.0)
"""For servers that answer: on a busy machine even a git that is told no at once takes its time."""
PASSWORD = "hunter2-canary"
HTTP_OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def says(status: str, *headers: str) -> Answer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "Connection: close", "", "")
        writer.write("\r\n".join(lines).encode())
        await writer.drain()

    return answer


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte every now and then, for ever."""
    writer.write(HTTP_OK)
    while True:
        writer.write(b"1\r\n0\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)


async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01 hunter2-canary" * 100)
    await writer.drain()


ANSWERS: dict[str, tuple[Answer, Reason]] = {
    "401": (says("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'), Reason.AUTHENTICATION_FAILED),
    "403": (says("403 Forbidden"), Reason.AUTHENTICATION_FAILED),
    "404": (says("404 Not Found"), Reason.GIT_OPERATION_FAILED),
    "503": (says("503 Unavailable"), Reason.GIT_OPERATION_FAILED),
    "garbage": (garbage, Reason.GIT_OPERATION_FAILED),
}
ENDLESS: dict[str, Answer] = {"a hang": hang, "a drip": drip}


async def refused(call: object, *, within: float = 20.0) -> ReconcileError:
    """``within`` is less than the limits of a git that nobody hurries: what ends by then was no timeout."""
    began = time.monotonic()
    with pytest.raises(ReconcileError) as error:
        await call  # type: ignore[misc]
    assert time.monotonic() - began < within
    return error.value


@pytest.mark.parametrize(("answer", "reason"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_every_bad_answer_is_waited_for_with_its_reason(
    make_sources: MakeSources, answer: Answer, reason: Reason
):
    await waited_for(make_sources, answer, reason, UNHURRIED)


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS.keys())
async def test_an_answer_that_never_ends_is_waited_for(make_sources: MakeSources, answer: Answer):
    await waited_for(make_sources, answer, Reason.GIT_OPERATION_FAILED, QUICK)


async def waited_for(make_sources: MakeSources, answer: Answer, reason: Reason, limits: SourceLimits) -> None:
    async with listening(answer) as other:
        sources = await make_sources(other.origin, limits=limits)
        for call in (
            sources.fetch(pinned(other, "1" * 40), []),
            sources.probe(other.url()),
            sources.resolve_ref(other.url(), "main"),
        ):
            error = await refused(call)
            assert isinstance(error, Waiting)
            assert error.reason is reason
            assert error.dependency == Dependency("source", other.url())
            assert PASSWORD not in error.message
        assert processes(other.origin) == []


async def test_a_server_that_nobody_runs_is_noticed_at_once(make_sources: MakeSources, server: GitServer):
    sources = await make_sources()
    await server.stop()
    error = await refused(sources.fetch(pinned(server, "1" * 40), []))
    assert isinstance(error, Waiting)
    assert "does not answer" in error.message


async def test_a_server_without_tls_is_named(make_sources: MakeSources, server: GitServer):
    origin = server.origin.replace("http", "https")
    sources = await make_sources(origin, limits=UNHURRIED)
    error = await refused(sources.probe(f"{origin}/apps.git"))
    assert error.reason is Reason.GIT_OPERATION_FAILED
    assert "TLS" in error.message


@pytest.mark.parametrize("code", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"], ids=str)
async def test_a_redirect_is_never_followed(
    make_sources: MakeSources, server: GitServer, code: str, commit: str
):
    target = f"{server.url('apps')}/info/refs?service=git-upload-pack"
    async with listening(says(code, f"Location: {target}")) as other:
        sources = await make_sources(other.origin, limits=UNHURRIED)
        error = await refused(sources.fetch(pinned(other, commit), []))
        assert isinstance(error, Stalled)
        assert error.reason is Reason.URL_NOT_ALLOWED
        assert "redirect" in error.message
        assert server.requests == 0


async def test_a_redirect_to_a_place_that_is_not_listed_is_not_followed_either(make_sources: MakeSources):
    async with (
        listening(says("200 OK")) as canary,
        listening(says("302 Found", f"Location: {canary.url()}")) as other,
    ):
        sources = await make_sources(other.origin, limits=UNHURRIED)
        await refused(sources.probe(other.url()))
        assert canary.heard == []


async def test_a_hung_git_is_killed_with_its_children(make_sources: MakeSources):
    async with listening(hang) as hung:
        sources = await make_sources(hung.origin, limits=ENOUGH)
        asking = asyncio.create_task(sources.fetch(pinned(hung, "1" * 40), []))
        await hung.connected.wait()
        assert len(processes(hung.origin)) >= 2, "git and its helper"
        await refused(asking)
        assert processes(hung.origin) == []


async def test_closing_kills_what_is_under_way(make_sources: MakeSources):
    async with listening(hang) as hung:
        sources = await make_sources(hung.origin)
        asking = asyncio.create_task(sources.fetch(pinned(hung, "1" * 40), []))
        await hung.connected.wait()
        await sources.close()
        assert processes(hung.origin) == []
        with pytest.raises(asyncio.CancelledError):
            await asking


FORBIDDEN = [
    "ext::sh -c touch% {marker}",
    "--upload-pack=touch {marker}",
    "-u touch {marker}",
    "file://{marker}",
    "{origin}/apps.git?ref=--upload-pack=touch {marker}",
    "http://$OCDP_CANARY@127.0.0.1/apps.git",
    "{origin}/${OCDP_CANARY}.git",
    "http://user:pw@127.0.0.1:1/apps.git",
    "{origin}/apps.git\n",
    "http://[::1]:1/apps.git",
    "http://2130706433/apps.git",
]


@pytest.mark.parametrize("template", FORBIDDEN, ids=repr)
async def test_a_hostile_url_starts_no_process(
    make_sources: MakeSources,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    template: str,
):
    monkeypatch.setenv("OCDP_CANARY", "canary")
    marker = tmp_path / "marker"
    async with listening(says("200 OK")) as canary:
        sources = await make_sources(canary.origin, git=recorder.path)
        started = recorder.log.read_text()
        url = template.replace("{marker}", str(marker)).replace("{origin}", canary.origin)
        for call in (
            sources.fetch(PinnedSource(url, "v1", "base", "1" * 40), []),
            sources.probe(url),
            sources.resolve_ref(url, "main"),
        ):
            error = await refused(call)
            assert isinstance(error, Stalled)
            assert error.reason is Reason.URL_NOT_ALLOWED
        assert recorder.log.read_text() == started
        assert canary.heard == []
        assert not marker.exists()


@pytest.mark.parametrize("ref", ["--upload-pack=touch marker", "-x", "a b", "x..y", "*"], ids=repr)
async def test_a_hostile_ref_starts_no_process(make_sources: MakeSources, server: GitServer, ref: str):
    sources = await make_sources()
    error = await refused(sources.resolve_ref(server.url("apps"), ref))
    assert error.reason is Reason.REF_NOT_FOUND
    assert server.requests == 0


@pytest.fixture
async def credentials(tmp_path: Path, server: GitServer) -> AsyncIterator[Path]:
    """A credentials file for the test's server, which wants exactly these."""
    server.auth = BasicAuth("ocdp", PASSWORD)
    (tmp_path / "token").write_text(f"{PASSWORD}\n")
    file = tmp_path / "credentials.yaml"
    file.write_text(f"origins: [{{origin: '{server.origin}', username: ocdp, passwordFile: token}}]")
    yield file
    server.auth = None


async def test_credentials_open_their_origin(
    make_sources: MakeSources, server: GitServer, commit: str, credentials: Path
):
    sources = await make_sources(credentials_file=credentials)
    assert (await sources.fetch(pinned(server, commit), [])).commit == commit
    await sources.probe(server.url("apps"))


async def test_credentials_go_to_no_other_origin(
    make_sources: MakeSources, server: GitServer, credentials: Path
):
    async with listening(says("404 Not Found")) as other:
        sources = await make_sources(other.origin, credentials_file=credentials)
        await refused(sources.probe(other.url()))
        assert b"Authorization" not in b"".join(other.heard)


async def test_wrong_credentials_show_nowhere(
    make_sources: MakeSources,
    server: GitServer,
    commit: str,
    credentials: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(0)
    server.auth = BasicAuth("ocdp", "another")
    sources = await make_sources(credentials_file=credentials)
    error = await refused(sources.fetch(pinned(server, commit), []))
    assert error.reason is Reason.AUTHENTICATION_FAILED
    assert PASSWORD not in f"{error}{error.remedy}{error!r}{caplog.text}"
    kept = [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert [path for path in kept if PASSWORD.encode() in path.read_bytes()] == []


async def test_credentials_are_in_no_command_line_while_they_are_used(
    make_sources: MakeSources, tmp_path: Path
):
    async with listening(hang) as hung:
        file = tmp_path / "credentials.yaml"
        file.write_text(f"origins: [{{origin: '{hung.origin}', username: ocdp, password: {PASSWORD}}}]")
        sources = await make_sources(hung.origin, credentials_file=file, limits=ENOUGH)
        asking = asyncio.create_task(sources.fetch(pinned(hung, "1" * 40), []))
        await hung.connected.wait()
        assert b"Authorization: Basic" in hung.heard[0]
        assert processes(hung.origin) != []
        assert processes(PASSWORD) == []
        assert processes(_basic(hung)) == []
        await refused(asking)


def _basic(hung: Listener) -> str:
    line = next(line for line in hung.heard[0].decode().split("\r\n") if line.startswith("Authorization"))
    return line.rpartition(" ")[2]


async def test_new_credentials_are_taken_without_a_restart(
    make_sources: MakeSources, server: GitServer, commit: str, credentials: Path, tmp_path: Path
):
    sources = await make_sources(credentials_file=credentials)
    server.auth = BasicAuth("ocdp", "rotated")
    await refused(sources.probe(server.url("apps")))
    new = tmp_path / "new"
    new.write_text("rotated")
    new.replace(tmp_path / "token")
    await sources.probe(server.url("apps"))
    assert (await sources.fetch(pinned(server, commit), [])).commit == commit


async def test_a_credentials_file_that_breaks_is_waited_for(
    make_sources: MakeSources, server: GitServer, credentials: Path
):
    sources = await make_sources(credentials_file=credentials)
    _break(credentials)
    error = await refused(sources.probe(server.url("apps")))
    assert isinstance(error, Waiting)
    assert error.reason is Reason.AUTHENTICATION_FAILED
    assert PASSWORD not in error.message


def _break(file: Path) -> None:
    file.write_text(f"{PASSWORD}: [")


async def test_a_broken_credentials_file_or_no_git_stops_the_start(make_sources: MakeSources, tmp_path: Path):
    (tmp_path / "bad.yaml").write_text("origins: x")
    with pytest.raises(SettingsError, match="credentials file"):
        await make_sources(credentials_file=tmp_path / "bad.yaml")
    with pytest.raises(SettingsError, match="git is needed"):
        await make_sources(git=tmp_path / "nothing")
