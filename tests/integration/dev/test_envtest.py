"""The archive of test binaries, from a server on this machine: right ones, and every wrong one."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from ocdp_operator.dev.binaries import EnvtestArchive
from ocdp_operator.dev.envtest import PROGRAMS, Archive, FetchLimits, RefusedArchiveError, fetch
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.ports import free_port
from ocdp_operator.dev.recipes import KUBERNETES, RECIPES
from tests.support.archives import FOLDER, PROGRAM, Members, archive, file, link, packed, programs, served

QUICK = FetchLimits(answer_seconds=3, stall_seconds=3, seconds=20)


def left_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_the_right_archive_is_taken_and_only_its_programs(tmp_path: Path) -> None:
    content = packed([file("README", b"hello"), *programs(), file(f"{FOLDER}/extra", b"no")])
    async with served(lambda _: content) as url:
        directory = await fetch(archive(url, content), tmp_path)

    assert {path.name for path in directory.iterdir()} == PROGRAMS
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o755}
    assert left_in(tmp_path) == [directory.name]


async def test_a_redirect_is_followed_and_the_checksum_still_counts(tmp_path: Path) -> None:
    content = packed(programs())

    def answer(request: web.Request) -> object:
        return content if request.path == "/else" else web.Response(status=302, headers={"Location": "/else"})

    async with served(answer) as url:
        assert (await fetch(archive(url, content), tmp_path)).is_dir()
        with pytest.raises(RefusedArchiveError, match="wrong checksum"):
            await fetch(archive(url, b"another"), tmp_path)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        pytest.param(programs("etcd"), "does not hold etcd", id="a program is missing"),
        pytest.param(
            [*programs("etcd"), link(f"{FOLDER}/etcd", "/bin/sh")], "not a regular file", id="symlink"
        ),
        pytest.param(
            [*programs("etcd"), link(f"{FOLDER}/etcd", f"{FOLDER}/kubectl", tarfile.LNKTYPE)],
            "not a regular file",
            id="hard link",
        ),
        pytest.param([*programs(), *programs()], "cannot be unpacked", id="a program twice"),
        pytest.param(
            [*programs("etcd"), file(f"{FOLDER}/../../{FOLDER}/etcd", b"x")],
            "does not hold etcd",
            id="a path that climbs",
        ),
        pytest.param(
            [*programs("etcd"), file(f"/{FOLDER}/etcd", b"x")], "does not hold etcd", id="an absolute path"
        ),
        pytest.param(
            [*programs("etcd"), file(f"{FOLDER}/etcd", b"x" * 2000)], "is larger than", id="a huge program"
        ),
    ],
)
async def test_an_archive_that_holds_what_it_must_not_leaves_nothing(
    members: Members, why: str, tmp_path: Path
) -> None:
    content = packed(members)
    limits = FetchLimits(program_bytes=1000)
    async with served(lambda _: content) as url:
        with pytest.raises(RefusedArchiveError, match=why):
            await fetch(archive(url, content), tmp_path, limits)

    assert left_in(tmp_path) == []


async def test_members_outside_the_folder_are_written_nowhere(tmp_path: Path) -> None:
    cache = tmp_path / "a" / "b"
    cache.mkdir(parents=True)
    content = packed([file("../../planted", b"x"), file(f"{tmp_path}/planted", b"x"), *programs()])
    async with served(lambda _: content) as url:
        await fetch(archive(url, content), cache)

    assert left_in(tmp_path) == ["a"]
    assert left_in(tmp_path / "a") == ["b"]


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"not an archive", id="no gzip"), pytest.param(packed(programs())[:-200], id="cut short")],
)
async def test_a_file_that_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    async with served(lambda _: content) as url:
        with pytest.raises(RefusedArchiveError, match="cannot be unpacked"):
            await fetch(archive(url, content), tmp_path)

    assert left_in(tmp_path) == []


async def _half(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "100000"})
    await answer.prepare(request)
    await answer.write(b"x" * 1000)
    assert request.transport is not None
    request.transport.close()
    return answer


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(lambda _: web.Response(status=404), "answers 404", id="not there"),
        pytest.param(_half, "broke off", id="truncated"),
        pytest.param(_silent, "does not answer in time", id="silent"),
    ],
)
async def test_a_server_that_does_not_give_it_is_named(
    answer: Callable[[web.Request], object], why: str, tmp_path: Path
) -> None:
    async with served(answer) as url:
        with pytest.raises(LocalEnvironmentError, match=why) as caught:
            await fetch(archive(url, b""), tmp_path, QUICK)

    assert not isinstance(caught.value, RefusedArchiveError)
    assert left_in(tmp_path) == []


async def test_more_than_the_limit_is_not_written_to_the_disk(tmp_path: Path) -> None:
    async with served(lambda _: b"x" * 10_000) as url:
        with pytest.raises(RefusedArchiveError, match="larger than"):
            await fetch(archive(url, b"x" * 10_000), tmp_path, FetchLimits(archive_bytes=5_000))

    assert left_in(tmp_path) == []


# What `Binaries.locate` does with it


async def place(url: str, content: bytes, cache: Path) -> tuple[EnvtestArchive, list[str]]:
    found = EnvtestArchive(archive(url, content), cache)
    lines: list[str] = []
    await found.fetch(RECIPES, lines.append)
    return found, lines


async def answers(place: EnvtestArchive) -> set[str]:
    return {recipe.name for recipe in RECIPES if (await place.find(recipe)).path is not None}


async def test_what_was_fetched_serves_and_the_rest_is_left_to_build(tmp_path: Path) -> None:
    content = packed(programs())
    async with served(lambda _: content) as url:
        found, lines = await place(url, content, tmp_path)

    assert await answers(found) == PROGRAMS
    assert len(lines) == 1
    assert lines[0].startswith("fetched the envtest archive from 127.0.0.1")


async def test_it_is_fetched_once(tmp_path: Path) -> None:
    content, asked = packed(programs()), []
    async with served(lambda request: asked.append(request.path) or content) as url:
        await place(url, content, tmp_path)
        await place(url, content, tmp_path)

    assert len(asked) == 1


async def test_it_is_not_asked_for_what_it_never_has(tmp_path: Path) -> None:
    asked: list[str] = []
    async with served(lambda request: asked.append(request.path) or b"") as url:
        wanted = [recipe for recipe in RECIPES if recipe.name not in PROGRAMS]
        await EnvtestArchive(archive(url, b""), tmp_path).fetch(wanted, asked.append)

    assert asked == []


async def test_a_wrong_checksum_is_a_loud_line_and_nothing_is_used(tmp_path: Path) -> None:
    async with served(lambda _: packed(programs())) as url:
        found, lines = await place(url, b"what was published", tmp_path)

    assert await answers(found) == set()
    assert len(lines) == 1
    assert lines[0].startswith("WARNING: ")
    assert "wrong checksum" in lines[0]
    assert "building instead" in lines[0]


async def test_a_machine_without_a_route_goes_on_with_one_line(tmp_path: Path) -> None:
    found, lines = await place(f"http://127.0.0.1:{free_port()}/envtest.tar.gz", b"", tmp_path)

    assert await answers(found) == set()
    assert len(lines) == 1
    assert "cannot be reached" in lines[0]
    assert "building instead" in lines[0]


async def test_an_archive_of_another_version_does_not_serve(tmp_path: Path) -> None:
    old = [file(f"{FOLDER}/{name}", PROGRAM % b"1.31.0") for name in sorted(PROGRAMS)]
    content = packed(old)
    async with served(lambda _: content) as url:
        found, _ = await place(url, content, tmp_path)

    assert await answers(found) == set()
    (apiserver,) = (recipe for recipe in RECIPES if recipe.name == "kube-apiserver")
    assert (await found.find(apiserver)).refusals == (
        "kube-apiserver in the envtest archive is v1.31.0, and v1.36 is needed",
    )


# Which archive


def test_the_official_archive_is_of_our_minor_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocdp_operator.dev.envtest.sys.platform", "linux")
    monkeypatch.setattr("ocdp_operator.dev.envtest.platform.machine", lambda: "aarch64")

    chosen = Archive.chosen({})

    assert chosen is not None
    assert f"/envtest-v{KUBERNETES.major}.{KUBERNETES.minor}." in chosen.url
    assert chosen.url.endswith("-linux-arm64.tar.gz")
    assert len(chosen.sha512) == 128


def test_a_machine_without_an_official_archive_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocdp_operator.dev.envtest.platform.machine", lambda: "riscv64")

    assert Archive.chosen({}) is None


def test_it_can_be_turned_off() -> None:
    assert Archive.chosen({"OCDP_ENVTEST_URL": "off"}) is None


def test_another_archive_is_named_with_its_checksum() -> None:
    named = {
        "OCDP_ENVTEST_URL": "https://someone:secret@mirror.example.test/e.tgz",
        "OCDP_ENVTEST_SHA512": "AB" * 64,
    }
    chosen = Archive.chosen(named)

    assert chosen == Archive(named["OCDP_ENVTEST_URL"], "ab" * 64)
    assert chosen.host == "mirror.example.test"


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"OCDP_ENVTEST_URL": "https://mirror.example.test/e.tgz"}, "together"),
        ({"OCDP_ENVTEST_SHA512": "ab" * 64}, "together"),
        ({"OCDP_ENVTEST_URL": "file:///etc/passwd", "OCDP_ENVTEST_SHA512": "ab" * 64}, "http"),
        ({"OCDP_ENVTEST_URL": "https://mirror.example.test/e.tgz", "OCDP_ENVTEST_SHA512": "abc"}, "128"),
    ],
    ids=["no checksum", "no address", "not http", "no sha512"],
)
def test_an_archive_that_cannot_work_is_told(environment: dict[str, str], why: str) -> None:
    with pytest.raises(LocalEnvironmentError, match=why):
        Archive.chosen(environment)
