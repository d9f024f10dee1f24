"""Row 10: repositories that are huge in every way. Each is refused or never unpacked; disk and memory stay bounded."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from ocdp_operator.adapters.git import GitSources, Origin, SourceLimits
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.source import PinnedSource
from tests.support.apps import app_files
from tests.support.big_repositories import MIB, Pack
from tests.support.hostile import Case, Crowd, codes, disk, messages, peak_memory, with_base
from tests.support.world import Team

MANY = 200_000
Build = Callable[[Pack], bytes]


def big_blob(pack: Pack) -> bytes:
    big = {"web/base/big.yaml": ("100644", pack.zeros(256 * MIB))}
    return pack.files(with_base(resources=["big.yaml"]) | big)


def delta_bomb(pack: Pack) -> bytes:
    big, base = pack.delta_of_zeros(500 * MIB)
    return pack.files(app_files() | {"big": ("100644", big), "base": ("100644", base)})


def three_gibibytes(pack: Pack) -> bytes:
    big = ("100644", pack.zeros(256 * MIB))
    return pack.files(app_files() | {f"data/{n}": big for n in range(12)})


def _names(pack: Pack, count: int) -> dict[str, tuple[str, bytes]]:
    same = ("100644", pack.blob(b"x"))
    return {f"n{number:06}": same for number in range(count)}


def many_in_the_base(pack: Pack) -> bytes:
    base = {path.removeprefix("web/base/"): pack.blob(content) for path, content in app_files().items()}
    own = {name: ("100644", id_) for name, id_ in base.items() if "/" not in name}
    return pack.files({"web/base": ("40000", pack.tree(own | _names(pack, MANY)))})


def many_beside(pack: Pack) -> bytes:
    return pack.files(app_files() | {"data": ("40000", pack.tree(_names(pack, MANY)))})


def many_large_directories(pack: Pack) -> bytes:
    own = {"kustomization.yaml": ("100644", pack.blob(b"resources: []\n"))}
    large = ("40000", pack.tree(own | _names(pack, 25_000)))
    resources = [f"../d{number:02}" for number in range(30)]
    return pack.files(with_base(resources=resources) | {f"web/{path[3:]}": large for path in resources})


def deep_beside(pack: Pack) -> bytes:
    tree = pack.files({"end": b"x"})
    for _ in range(1500):
        tree = pack.tree({"d": ("40000", tree)})
    return pack.files(app_files() | {"deep": ("40000", tree)})


DEEP = "/".join("d" * 25)
PLAIN = ("deployment.yaml", "service.yaml", "account.yaml", "volume.yaml")


def generating(files: dict[str, bytes]) -> Build:
    """The application with a ConfigMap of these files."""
    names = [name.removeprefix("web/base/") for name in files]
    generators = [{"name": "web-config", "files": ["settings.yaml", *names]}]
    return lambda pack: pack.files(with_base(resources=list(PLAIN), configMapGenerator=generators) | files)


REPOSITORIES: dict[str, tuple[Build, str, str]] = {
    "a blob of 256 MiB": (big_blob, "SourceTooLarge", "web/base/big.yaml"),
    "a delta that asks for 500 MiB": (delta_bomb, "SourceTooLarge", "more memory"),
    "200,000 files in the base": (many_in_the_base, "SourceTooLarge", "directory"),
    "thirty large directories": (many_large_directories, "SourceTooLarge", "directory"),
    "25 levels above the base": (
        lambda pack: pack.files({path.replace("web/base", DEEP): each for path, each in app_files().items()}),
        "SourceTooLarge",
        "20 directories",
    ),
    "2,100 files reached": (
        generating({f"web/base/f{n}": b"x" for n in range(2_100)}),
        "SourceTooLarge",
        "2000 files",
    ),
    "a file of a byte more than 1 MiB": (
        generating({"web/base/f": bytes(MIB + 1)}),
        "SourceTooLarge",
        "web/base/f",
    ),
    "21 MiB reached": (
        generating({f"web/base/f{n}": bytes(MIB - 1) for n in range(21)}),
        "SourceTooLarge",
        f"{20 * MIB} bytes",
    ),
    "200,000 files beside the base": (many_beside, "Ready", ""),
    "1,500 levels beside the base": (deep_beside, "Ready", ""),
    "3 GiB beside the base": (three_gibibytes, "Ready", ""),
}


async def test_10_a_huge_repository_is_refused_or_left_where_it_is(new_team, operator: OperatorProcess):
    team: Team = await new_team("huge")
    cases = {}
    for number, (name, (build, _, _)) in enumerate(REPOSITORIES.items()):
        repository = f"{team.workspace}-{number}"
        pack = Pack()
        commit = pack.commit(build(pack))
        await pack.put(await team.platform.git.repository(repository), "main", commit)
        path = DEEP if "25 levels" in name else "web/base"
        url = team.platform.git.url(repository)
        cases[name] = Case(source={"repository_url": url, "commit": commit, "path": path})
    work = operator.log.parent / "work"
    before = disk(work)
    crowd = await Crowd.of(team, cases)
    settling = asyncio.create_task(crowd.settled(seconds=120))
    memory = room = 0
    while not settling.done():
        memory, room = max(memory, peak_memory(operator.pid)), max(room, disk(work))
        await asyncio.wait([settling], timeout=0.1)
    found = await settling
    assert codes(found) == {name: code for name, (_, code, _) in REPOSITORIES.items()}
    said = messages({name: each for name, each in found.items() if REPOSITORIES[name][1] != "Ready"})
    assert {name: text for name, text in said.items() if REPOSITORIES[name][2] not in text} == {}
    assert memory < 600 * MIB
    assert room - before < 64 * MIB
    assert await operator.healthy()


LIMIT = 2 * MIB
NOISE = 12 * MIB


@pytest.fixture
async def origin():
    async with GitServer.start() as server:
        yield server


def pinned(server: GitServer, name: str, commit: str) -> PinnedSource:
    return PinnedSource(server.url(name), "main", "web/base", commit)


async def test_10_what_arrives_is_cut_at_the_limit_and_leaves_nothing(origin: GitServer, tmp_path: Path):
    noise = {f"data/{n}": secrets.token_bytes(MIB) for n in range(NOISE // MIB)}
    large = await (await origin.repository("large")).commit(app_files() | noise)
    small = await (await origin.repository("small")).commit(app_files())
    allowed = [Origin.parse(origin.origin, insecure=True)]
    async with GitSources(tmp_path / "work", allowed, limits=SourceLimits(pack_bytes=LIMIT)) as sources:
        refusing = asyncio.create_task(sources.fetch(pinned(origin, "large", large), []))
        room = 0
        while not refusing.done():
            room = max(room, disk(tmp_path / "work"))
            await asyncio.wait([refusing], timeout=0.02)
        error = refusing.exception()
        assert isinstance(error, Stalled)
        assert error.reason is Reason.SOURCE_TOO_LARGE
        assert room < LIMIT + MIB
        assert (await sources.fetch(pinned(origin, "small", small), [])).commit == small
        assert disk(tmp_path / "work") < MIB


async def test_10_a_blob_of_two_gibibytes_is_hashed_as_it_streams_by(origin: GitServer, tmp_path: Path):
    pack = Pack()
    big = {"web/base/big.yaml": ("100644", pack.zeros(2048 * MIB))}
    commit = pack.commit(pack.files(with_base(resources=["big.yaml"]) | big))
    await pack.put(await origin.repository("big"), "main", commit)
    small = await (await origin.repository("small")).commit(app_files())
    # Time is no part of what is shown here: a busy machine takes long for two gibibytes.
    limits = SourceLimits(fetch_seconds=160.0)
    allowed = [Origin.parse(origin.origin, insecure=True)]
    async with GitSources(tmp_path / "work", allowed, limits=limits) as sources:
        refusing = asyncio.create_task(sources.fetch(pinned(origin, "big", commit), []))
        assert (await sources.fetch(pinned(origin, "small", small), [])).commit == small
        with pytest.raises(Stalled, match=r"web/base/big\.yaml has 2147483648 bytes") as error:
            await refusing
        assert error.value.reason is Reason.SOURCE_TOO_LARGE
        assert disk(tmp_path / "work") < 8 * MIB
