"""Row 11: what a checkout would follow, fetch or run. Nothing is checked out, so nothing of it happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ocdp_operator.dev.gitrepository import Submodule, Symlink
from ocdp_operator.dev.operator import OperatorProcess
from tests.integration.git.conftest import hang, listening
from tests.support.apps import app_files
from tests.support.hostile import Case, Crowd, codes, messages, with_base
from tests.support.world import Team

ELSEWHERE = "1" * 40


def linked(**links: Symlink | Submodule) -> dict[str, Any]:
    """The application with links in place of, or beside, its files; ``__`` stands for a slash, ``_yaml`` for the ending."""
    return app_files() | {
        path.replace("__", "/").replace("_yaml", ".yaml"): link for path, link in links.items()
    }


LINKS = {
    "a relative link to a file": (
        Case(linked(web__base__service_yaml=Symlink("account.yaml"))),
        "web/base/service.yaml",
    ),
    "an absolute link": (
        Case(linked(web__base__service_yaml=Symlink("/etc/passwd"))),
        "web/base/service.yaml",
    ),
    "a link out of the repository": (
        Case(linked(web__base__service_yaml=Symlink("../../../../../etc/passwd"))),
        "web/base/service.yaml",
    ),
    "a chain of links": (
        Case(linked(web__base__service_yaml=Symlink("one"), web__base__one=Symlink("account.yaml"))),
        "web/base/service.yaml",
    ),
    "a link to itself": (
        Case(linked(web__base__service_yaml=Symlink("service.yaml"))),
        "web/base/service.yaml",
    ),
    "a link in place of the kustomization": (
        Case(linked(web__base__kustomization_yaml=Symlink("../other/kustomization.yaml"))),
        "web/base/kustomization.yaml",
    ),
    "a link on the way to the base": (
        Case(linked(linked=Symlink("web")), source={"path": "linked/base"}),
        "linked",
    ),
    "a link as the base": (Case(linked(linked=Symlink("web/base")), source={"path": "linked"}), "linked"),
    "a link in place of a configuration file": (
        Case(linked(web__base__settings_yaml=Symlink("/proc/self/environ"))),
        "web/base/settings.yaml",
    ),
    "a submodule as the base": (Case(linked(sub=Submodule(ELSEWHERE)), source={"path": "sub"}), "sub"),
    "a submodule among the resources": (
        Case(with_base(resources=["sub"]) | {"web/base/sub": Submodule(ELSEWHERE)}),
        "web/base/sub",
    ),
}


async def test_11_links_and_submodules_are_refused_by_name(new_team, operator: OperatorProcess):
    team: Team = await new_team("links")
    crowd = await Crowd.of(team, {name: case for name, (case, _) in LINKS.items()})
    found = await crowd.settled()
    assert codes(found) == dict.fromkeys(LINKS, "UnsafeBuild")
    said = messages(found)
    assert {name: path for name, (_, path) in LINKS.items() if path not in said[name]} == {}
    assert await crowd.refused() == set()
    assert "root:" not in await crowd.everything_said(operator)


def lfs_pointer() -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12\n"


async def test_11_filters_hooks_and_large_file_pointers_do_nothing(
    new_team, operator: OperatorProcess, tmp_path: Path
):
    marker = tmp_path / "marker"
    team: Team = await new_team("filters")
    script = f"#!/bin/sh\ntouch {marker}\n".encode()
    async with listening(hang) as canary:
        lfs = {
            ".gitattributes": b"*.yaml filter=lfs diff=lfs merge=lfs -text\n",
            ".lfsconfig": f"[lfs]\n\turl = {canary.origin}/lfs\n".encode(),
        }
        config = f'[core]\n\tbare = true\n\tfsmonitor = "touch {marker}"\n\thooksPath = hooks\n'.encode()
        hooks = {
            f"web/base/hooks/{name}": script
            for name in ("post-checkout", "post-merge", "reference-transaction", "fsmonitor-watchman")
        }
        attributes = b"*.yaml filter=evil text eol=crlf working-tree-encoding=UTF-16 ident export-subst\n"
        cases = {
            "a pointer in place of a manifest": Case(app_files(service=lfs_pointer()) | lfs),
            "a pointer in place of a configuration file": Case(
                app_files() | lfs | {"web/base/settings.yaml": lfs_pointer()}
            ),
            "a repository inside of the base": Case(
                app_files() | hooks | {"web/base/HEAD": b"ref: refs/heads/main\n", "web/base/config": config}
            ),
            "hooks at the root": Case(
                app_files() | {"hooks/post-checkout": script, ".githooks/post-checkout": script}
            ),
            "filters and encodings": Case(
                app_files()
                | {
                    ".gitattributes": attributes,
                    ".gitconfig": f'[filter "evil"]\n\tsmudge = touch {marker}\n\trequired\n'.encode(),
                    "web/base/settings.yaml": b"greeting: $Id$ $Format:%H$\nlimits: {}\n",
                },
                values={"greeting": "hi"},
            ),
        }
        crowd = await Crowd.of(team, cases)
        found = await crowd.settled()
        assert codes(found) == {
            "a pointer in place of a manifest": "BuildFailed",
            "a pointer in place of a configuration file": "Ready",
            "a repository inside of the base": "Ready",
            "hooks at the root": "Ready",
            "filters and encodings": "Ready",
        }
        assert canary.heard == []
    assert not marker.exists()
    maps = {name: item for name, item in (await team.objects()).items() if name.startswith("ConfigMap/c")}
    pointer = next(item for name, item in maps.items() if name.startswith("ConfigMap/c1-web-config-"))
    assert pointer["data"]["settings.yaml"].encode() == lfs_pointer()
    filtered = next(item for name, item in maps.items() if name.startswith("ConfigMap/c4-web-config-"))
    assert yaml.safe_load(filtered["data"]["settings.yaml"]) == {"greeting": "hi", "limits": {}}
    assert await operator.healthy()
