"""The ``Sources`` port, held against the fake and real repositories behind smart HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from ocdp_operator.adapters.git import GitSources, Origin
from ocdp_operator.dev.gitrepository import GitRepository, Submodule, Symlink
from ocdp_operator.dev.gitserver import BasicAuth, GitServer
from ocdp_operator.errors import Dependency, Reason, ReconcileError, Stalled, Waiting
from ocdp_operator.model.source import Artifact, PinnedSource
from ocdp_operator.reconcile.ports import Sources
from tests.support.apps import app_files, document
from tests.support.fakes_sources import Content, FakeSources, Link, Module

BASE, GUARDED = "web/base", "web/components/guarded"


class World(Protocol):
    """A repository, and sources that may read it."""

    sources: Sources
    url: str

    async def commit(self, files: Mapping[str, Content]) -> str:
        """A commit with exactly these files, and without a parent."""
        ...

    async def stop(self) -> None:
        """Nobody answers any more."""
        ...

    async def start(self) -> None:
        """As before."""
        ...

    async def lock(self) -> None:
        """Credentials are wanted."""
        ...


class FakeWorld:
    def __init__(self, directory: Path) -> None:
        self.sources = FakeSources(directory)
        self.url = "https://git.example.test/apps.git"

    async def commit(self, files: Mapping[str, Content]) -> str:
        return self.sources.commit(self.url, files)

    async def stop(self) -> None:
        self.sources.away = True

    async def start(self) -> None:
        self.sources.away = False

    async def lock(self) -> None:
        self.sources.locked = True


class RealWorld:
    def __init__(self, server: GitServer, repository: GitRepository, sources: GitSources) -> None:
        self.server = server
        self.repository = repository
        self.sources = sources
        self.url = server.url("apps")

    async def commit(self, files: Mapping[str, Content]) -> str:
        written = {path: _written(content) for path, content in files.items()}
        return await self.repository.commit(written, amend=True)

    async def stop(self) -> None:
        await self.server.stop()

    async def start(self) -> None:
        await self.server.restart()

    async def lock(self) -> None:
        self.server.auth = BasicAuth("ocdp", "hunter2")


def _written(content: Content) -> bytes | Symlink | Submodule:
    match content:
        case Link(target):
            return Symlink(target)
        case Module(commit):
            return Submodule(commit)
        case _:
            return content


@pytest.fixture
def fake(tmp_path: Path) -> World:
    return FakeWorld(tmp_path)


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[World]:
    async with GitServer.start() as server:
        origin = Origin.parse(server.origin, insecure=True)
        async with GitSources(tmp_path, [origin]) as sources:
            yield RealWorld(server, await server.repository("apps"), sources)


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


def pinned(world: World, commit: str, path: str = BASE) -> PinnedSource:
    return PinnedSource(world.url, "v1", path, commit)


async def refusal(world: World, source: PinnedSource, *components: str) -> ReconcileError:
    with pytest.raises(ReconcileError) as error:
        await world.sources.fetch(source, components)
    return error.value


def on_disk(artifact: Artifact) -> dict[str, bytes]:
    files = (path for path in artifact.root.rglob("*") if path.is_file())
    return {path.relative_to(artifact.root).as_posix(): path.read_bytes() for path in files}


async def test_the_closure_is_on_disk_and_in_memory(world: World):
    commit = await world.commit(app_files())
    artifact = await world.sources.fetch(pinned(world, commit), [GUARDED])
    assert artifact.commit == commit
    assert sorted(artifact.files) == sorted(app_files())
    assert artifact.files[f"{BASE}/settings.yaml"] == app_files()[f"{BASE}/settings.yaml"]
    assert on_disk(artifact) == artifact.files


async def test_what_nothing_refers_to_stays_behind(world: World):
    commit = await world.commit({**app_files(), "web/base/notes.txt": b"x", "key.pem": b"x"})
    artifact = await world.sources.fetch(pinned(world, commit), [])
    assert sorted(artifact.files) == sorted(path for path in app_files() if path.startswith(BASE))


async def test_the_same_commit_is_one_artifact(world: World):
    commit = await world.commit(app_files())
    first = await world.sources.fetch(pinned(world, commit), [GUARDED, GUARDED])
    again = await world.sources.fetch(replace(pinned(world, commit), ref="another"), [GUARDED])
    assert again is first


async def test_another_commit_is_another_artifact(world: World):
    before = await world.commit(app_files())
    after = await world.commit(app_files(service=b"kind: Service\n"))
    old = await world.sources.fetch(pinned(world, before), [])
    new = await world.sources.fetch(pinned(world, after), [])
    path = f"{BASE}/service.yaml"
    assert old.files[path] != new.files[path]
    assert (await world.sources.fetch(pinned(world, before), [])).files[path] == old.files[path]


async def test_a_fetched_commit_needs_nobody_to_answer(world: World):
    commit = await world.commit(app_files())
    known = await world.sources.fetch(pinned(world, commit), [])
    await world.stop()
    assert await world.sources.fetch(pinned(world, commit), []) is known
    with_component = await world.sources.fetch(pinned(world, commit), [GUARDED])
    assert f"{GUARDED}/policy.yaml" in with_component.files


async def test_a_repository_that_is_away_is_waited_for_by_its_url(world: World):
    commit = await world.commit(app_files())
    await world.stop()
    error = await refusal(world, pinned(world, commit))
    assert isinstance(error, Waiting)
    assert error.reason is Reason.GIT_OPERATION_FAILED
    assert error.dependency == Dependency("source", world.url)
    with pytest.raises(Waiting):
        await world.sources.probe(world.url)
    await world.start()
    await world.sources.probe(world.url)
    assert (await world.sources.fetch(pinned(world, commit), [])).commit == commit


async def test_a_repository_that_wants_credentials_is_waited_for(world: World):
    commit = await world.commit(app_files())
    await world.lock()
    error = await refusal(world, pinned(world, commit))
    assert isinstance(error, Waiting)
    assert error.reason is Reason.AUTHENTICATION_FAILED
    assert error.dependency == Dependency("source", world.url)
    with pytest.raises(Waiting):
        await world.sources.probe(world.url)


async def test_a_commit_that_does_not_exist_is_refused(world: World):
    await world.commit(app_files())
    error = await refusal(world, pinned(world, "1" * 40))
    assert isinstance(error, Stalled)
    assert error.reason is Reason.REF_NOT_FOUND


async def test_a_url_that_is_not_listed_is_refused(world: World):
    source = PinnedSource("https://elsewhere.example.test/apps.git", "v1", BASE, "1" * 40)
    error = await refusal(world, source)
    assert error.reason is Reason.URL_NOT_ALLOWED
    with pytest.raises(Stalled):
        await world.sources.probe(source.repository_url)


@pytest.mark.parametrize("path", ["../x", "/web/base", "web/../web/base", "web/nowhere", "web"], ids=str)
async def test_a_path_that_is_not_there_is_refused(world: World, path: str):
    commit = await world.commit(app_files())
    assert (await refusal(world, pinned(world, commit, path))).reason is Reason.INVALID_PATH
    assert (await refusal(world, pinned(world, commit), path)).reason is Reason.INVALID_PATH


UNSAFE = {
    "a symbolic link": {f"{BASE}/service.yaml": Link("/etc/passwd")},
    "a submodule": {f"{BASE}/service.yaml": Module("1" * 40)},
    "a remote base": {f"{BASE}/kustomization.yaml": document({"resources": ["https://h.test/x"]})},
    "a base outside": {f"{BASE}/kustomization.yaml": document({"resources": ["../../../etc"]})},
    "a plugin": {f"{BASE}/kustomization.yaml": document({"generators": ["x.yaml"]})},
    "no YAML": {f"{BASE}/kustomization.yaml": b"{"},
}


@pytest.mark.parametrize("changed", UNSAFE.values(), ids=UNSAFE.keys())
async def test_what_must_not_be_built_is_refused(world: World, changed: Mapping[str, Content]):
    commit = await world.commit({**app_files(), **changed})
    error = await refusal(world, pinned(world, commit))
    assert isinstance(error, Stalled)
    assert error.reason is Reason.UNSAFE_BUILD


async def test_a_file_that_is_too_large_is_refused(world: World):
    commit = await world.commit(app_files(service=b"#" * (1024 * 1024 + 1)))
    error = await refusal(world, pinned(world, commit))
    assert error.reason is Reason.SOURCE_TOO_LARGE
    assert "service.yaml" in error.message
