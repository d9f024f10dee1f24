"""A root directory for a Pod's process: its mounts at their own paths, read-only where the manifest says so, its own user.

What an image would hold is taken from this machine: the system's libraries, and the directories of the program, all of them
read-only. It needs root, and lasts as long as the process: it exists in that process's mount namespace alone.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocdp_operator.dev.podprocess import PodProcess
from ocdp_operator.dev.podspec import ContainerRun

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("/etc/ld.so.cache", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki", "/etc/localtime")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
TOOLS = ("unshare", "mount", "chroot", "setpriv", "env", "sh")


@dataclass(frozen=True)
class Image:
    """What a program's image says, and what stands for its files."""

    entry: tuple[str, ...]
    environment: Mapping[str, str]
    account: str
    """Of its user, a line of /etc/passwd; the directory in it is where the process starts."""
    directories: tuple[Path, ...]


async def start(run: ContainerRun, image: Image, directory: Path) -> PodProcess:
    """The container's process, in a root directory of its own."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in TOOLS):
        pytest.fail(f"A root directory of its own takes Linux, the user root, and {', '.join(TOOLS)}.")
    return await PodProcess.start(run, _prefix(run, image, directory), directory, image.environment)


def _prefix(run: ContainerRun, image: Image, directory: Path) -> tuple[str, ...]:
    """The words before the container's arguments: each program becomes the next one, so that the process stays one."""
    root = directory / "root"
    root.mkdir()
    script = "\n".join(shlex.join(command) for command in _mounts(run, image, root, directory))
    inside = shlex.join((_tool("chroot"), str(root), *_becoming(run), *_in_directory(image)))
    return (
        _tool("unshare"),
        "--mount",
        _tool("sh"),
        "-euc",
        f'{script}\nexec {inside} "$@"',
        "sh",
        *image.entry,
    )


def _becoming(run: ContainerRun) -> tuple[str, ...]:
    """The manifest's user, without capabilities and without a way to others."""
    confinement = run.confinement
    return (
        _tool("setpriv"),
        f"--reuid={confinement.user}",
        f"--regid={confinement.group}",
        f"--groups={confinement.volume_group}",
        "--inh-caps=-all",
        "--bounding-set=-all",
        "--no-new-privs",
        "--pdeathsig=keep",
    )


def _in_directory(image: Image) -> tuple[str, ...]:
    return (_tool("env"), f"--chdir={_home(image)}")


def _mounts(run: ContainerRun, image: Image, root: Path, directory: Path) -> Iterator[tuple[str, ...]]:
    mount, mkdir = _tool("mount"), (_tool("mkdir"), "-p")
    yield mount, "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root)
    yield *mkdir, *(f"{root}{path}" for path in ("/proc", "/etc", "/dev/shm", _home(image)))
    yield mount, "--rbind", "/proc", f"{root}/proc"
    yield mount, "-t", "tmpfs", "-o", "mode=1777,size=64m", "tmpfs", f"{root}/dev/shm"
    for name in DEVICES:
        yield from _bound(Path("/dev", name), f"{root}/dev/{name}", read_only=False)
    accounts = directory / "passwd"
    accounts.write_text(f"root:x:0:0:root:/root:/bin/sh\n{image.account}\n")
    yield from _bound(accounts, f"{root}/etc/passwd", read_only=True)
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            yield _tool("ln"), "-s", str(path.readlink()), f"{root}{path}"
    here = (*(path for path in map(Path, SYSTEM) if not path.is_symlink()), *map(Path, SETTINGS))
    for path in (*here, *image.directories):
        if path.exists():
            yield from _bound(path, f"{root}{path}", read_only=True)
    confinement = run.confinement
    for path, volume in sorted(run.mounts.items()):
        read_only = path in confinement.read_only_mounts
        if not read_only:
            # As the kubelet does for the Pod's group: it may write, and what is made there belongs to it.
            os.chown(volume, 0, confinement.volume_group or 0)
            volume.chmod(0o2775)
        yield from _bound(volume, f"{root}{path}", read_only=read_only)
    if confinement.read_only_root:
        yield mount, "-o", "remount,bind,ro", str(root)


def _bound(source: Path, target: str, *, read_only: bool) -> Iterator[tuple[str, ...]]:
    if source.is_dir():
        yield _tool("mkdir"), "-p", target
    else:
        yield _tool("mkdir"), "-p", str(Path(target).parent)
        yield _tool("touch"), target
    yield _tool("mount"), "--bind", str(source), target
    if read_only:
        yield _tool("mount"), "-o", "remount,bind,ro", target


def _home(image: Image) -> str:
    return image.account.split(":")[5]


def _tool(name: str) -> str:
    return shutil.which(name) or name
