from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitrepository import GitRepository, Symlink, git
from ocdp_operator.dev.gitserver import BasicAuth, GitServer
from ocdp_operator.dev.snapshot import publish_apps


@pytest.fixture
async def server() -> AsyncIterator[GitServer]:
    async with GitServer.start() as server:
        yield server


@pytest.fixture
async def clone(tmp_path: Path) -> str:
    """An empty bare repository to fetch into."""
    path = str(tmp_path / "clone")
    await git("init", "--quiet", "--bare", path)
    return path


async def fetch(clone: str, url: str, *wanted: str) -> None:
    await git("-C", clone, "-c", "protocol.version=2", "fetch", "--quiet", "--depth=1", url, *wanted)


async def listed(clone: str, commit: str) -> str:
    return (await git("-C", clone, "ls-tree", "-r", "--full-tree", commit)).decode()


async def test_what_was_committed_is_fetched_by_commit(server: GitServer, clone: str) -> None:
    repository = await server.repository("apps")
    sha = await repository.commit({"a/b.yaml": b"x: 1\n", "link": Symlink("/etc/passwd"), "z": "text\n"})

    await fetch(clone, server.url("apps"), sha)

    assert [
        line.split()[0] + " " + line.split("\t")[1] for line in (await listed(clone, sha)).splitlines()
    ] == [
        "100644 a/b.yaml",
        "120000 link",
        "100644 z",
    ]
    assert await git("-C", clone, "show", f"{sha}:a/b.yaml") == b"x: 1\n"


async def test_a_commit_that_no_ref_names_is_fetched(server: GitServer, clone: str) -> None:
    repository = await server.repository("apps")
    forgotten = await repository.commit({"a": "1"})
    current = await repository.commit({"a": "2"}, amend=True)

    await fetch(clone, server.url("apps"), forgotten)

    assert await repository.resolve("main") == current
    assert "a" in await listed(clone, forgotten)


async def test_a_long_request_arrives_though_git_compresses_it(server: GitServer, clone: str) -> None:
    repository = await server.repository("apps")
    commits = [await repository.commit({"n": str(n)}, f"change {n}") for n in range(60)]

    await fetch(clone, server.url("apps"), *commits)

    for commit in commits:
        assert await listed(clone, commit)


async def test_a_tag_is_moved_by_force_only(server: GitServer) -> None:
    repository = await server.repository("apps")
    first, second = await repository.commit({"a": "1"}), await repository.commit({"a": "2"})
    await repository.tag("v1", first)

    with pytest.raises(LocalEnvironmentError, match="already exists"):
        await repository.tag("v1", second)
    await repository.tag("v1", second, force=True)

    assert await repository.resolve("v1") == second


async def test_a_branch_is_pointed_and_removed(server: GitServer) -> None:
    repository = await server.repository("apps")
    first = await repository.commit({"a": "1"})
    await repository.commit({"a": "2"})

    await repository.point("main", first)
    assert await repository.resolve("main") == first
    await repository.point("main", None)
    assert await repository.resolve("main") is None


async def test_the_same_history_has_the_same_ids(server: GitServer) -> None:
    one, two = await server.repository("one"), await server.repository("two")

    assert await one.commit({"a": "1"}) == await two.commit({"a": "1"})


async def test_credentials_are_demanded_when_set(server: GitServer, clone: str) -> None:
    repository = await server.repository("apps")
    sha = await repository.commit({"a": "1"})
    server.auth = BasicAuth("ann", "secret")

    with pytest.raises(LocalEnvironmentError, match=r"could not read Username|Authentication failed"):
        await fetch(clone, server.url("apps"), sha)
    await fetch(clone, server.url("apps").replace("//", "//ann:secret@"), sha)

    assert server.requests >= 3


async def test_the_server_stops_and_comes_back_at_its_address(server: GitServer, clone: str) -> None:
    sha = await (await server.repository("apps")).commit({"a": "1"})
    url = server.url("apps")

    await server.stop()
    with pytest.raises(LocalEnvironmentError, match="connect"):
        await fetch(clone, url, sha)
    await server.restart()

    assert server.url("apps") == url
    await fetch(clone, url, sha)


async def test_many_fetch_at_once(server: GitServer, tmp_path: Path) -> None:
    sha = await (await server.repository("apps")).commit({f"{n}.yaml": "x" * 10_000 for n in range(50)})
    clones = [str(tmp_path / str(n)) for n in range(8)]
    await asyncio.gather(*(git("init", "--quiet", "--bare", clone) for clone in clones))

    await asyncio.gather(*(fetch(clone, server.url("apps"), sha) for clone in clones))


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/apps.git/config", "/apps.git/objects/info/packs", "/"]
)
async def test_nothing_but_fetching_is_served(server: GitServer, path: str) -> None:
    await server.repository("apps")
    if path.endswith("packs"):
        path = path.replace("apps", "absent")

    async with aiohttp.ClientSession() as session, session.get(server.origin + path) as response:
        assert response.status >= 400


async def test_nobody_can_push(server: GitServer, clone: str) -> None:
    repository = await server.repository("apps")
    sha = await repository.commit({"a": "1"})
    await fetch(clone, server.url("apps"), sha)

    with pytest.raises(LocalEnvironmentError, match="403"):
        await git("-C", clone, "push", server.url("apps"), f"{sha}:refs/heads/other")


@pytest.mark.parametrize("name", ["", "../x", "A", ".hidden", "a/b", "a b"])
async def test_a_repository_has_a_plain_name(server: GitServer, name: str) -> None:
    with pytest.raises(LocalEnvironmentError, match="cannot name a repository"):
        await server.repository(name)


def checkout(root: Path) -> Path:
    for name in ("apps/code-server/base/kustomization.yaml", "apps/litellm/kustomization.yaml", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")
    (root / "apps" / "link").symlink_to("litellm")
    return root


async def files_of(repository: GitRepository, commit: str) -> set[str]:
    listing = await git(f"--git-dir={repository.path}", "ls-tree", "-r", "--name-only", commit)
    return set(listing.decode().splitlines())


APPS = {"apps/code-server/base/kustomization.yaml", "apps/litellm/kustomization.yaml", "apps/link"}


async def test_snapshot_outside_a_checkout_is_of_the_files_as_they_are(
    server: GitServer, tmp_path: Path
) -> None:
    repository = await server.repository("apps")

    tags = await publish_apps(repository, checkout(tmp_path / "tree"))

    assert set(tags) == {"code-server-v0.1.0", "litellm-v0.1.0"}
    assert await files_of(repository, "code-server-v0.1.0") == APPS


async def test_snapshot_of_a_checkout_is_of_its_head(server: GitServer, tmp_path: Path) -> None:
    root = checkout(tmp_path / "tree")
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.invalid")
    await git("init", "--quiet", str(root))
    await git("-C", str(root), "add", "--all")
    await git("-C", str(root), *identity, "commit", "--quiet", "--message", "first")
    (root / "apps" / "litellm" / "uncommitted.yaml").write_text("x")
    repository = await server.repository("apps")

    await publish_apps(repository, root)

    assert await files_of(repository, "litellm-v0.1.0") == APPS


async def test_a_directory_without_apps_is_an_error(server: GitServer, tmp_path: Path) -> None:
    with pytest.raises(LocalEnvironmentError, match="no directory apps/"):
        await publish_apps(await server.repository("apps"), tmp_path)
