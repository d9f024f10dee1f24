"""This repository's ``apps/`` as the content of a Git server."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitrepository import Content, GitRepository, Symlink, git

APPS: Final = "apps"
VERSION: Final = "v0.1.0"


async def publish_apps(repository: GitRepository, root: Path) -> Mapping[str, str]:
    """Commits ``apps/`` of the checkout at ``root`` and tags it ``<app>-v0.1.0`` for each app.

    What HEAD holds is taken; outside a Git checkout, or when HEAD has no ``apps/``, the files as they are.
    Returns each tag with the commit.

    Raises:
        LocalEnvironmentError: there is no ``apps/`` at all.
    """
    files = await _head(root) or _work_tree(root)
    apps = sorted({path.split("/")[1] for path in files if path.count("/") >= 2})
    if not apps:
        raise LocalEnvironmentError(
            f"There is no directory {APPS}/ with an app in {root.name}/: run it there."
        )
    sha = await repository.commit(files, "The example applications")
    tags = [f"{app}-{VERSION}" for app in apps]
    for tag in tags:
        await repository.tag(tag, sha, force=True)
    return dict.fromkeys(tags, sha)


async def _head(root: Path) -> dict[str, Content]:
    """The files of HEAD's ``apps/``; none when there are none."""
    # The checkout may belong to another user, as in a container; nothing of it is executed.
    checkout = ("-c", "safe.directory=*", "-C", str(root))
    if not await git(*checkout, "rev-parse", "--quiet", "--verify", f"HEAD:./{APPS}", check=False):
        return {}
    archive = await git(*checkout, "archive", "--format=tar", "HEAD", APPS)
    files: dict[str, Content] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.issym():
                files[member.name] = Symlink(member.linkname)
            elif (content := tar.extractfile(member)) is not None:
                files[member.name] = content.read()
    return files


def _work_tree(root: Path) -> dict[str, Content]:
    """The files of ``apps/`` as they are."""
    files: dict[str, Content] = {}
    for path in sorted((root / APPS).rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            files[name] = Symlink(str(path.readlink()))
        elif path.is_file():
            files[name] = path.read_bytes()
    return files
