"""The official archive of test binaries (envtest), as a place that has etcd, kube-apiserver and kubectl.

Its layout and checksums: ``envtest-releases.yaml`` of kubernetes-sigs/controller-tools; one gzipped tar for each version and
platform, with the programs under ``controller-tools/envtest/``. It has no controller-manager, scheduler or kwok.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self
from urllib.parse import urlsplit

import aiohttp

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.recipes import Version

URL_VARIABLE: Final = "OCDP_ENVTEST_URL"
CHECKSUM_VARIABLE: Final = "OCDP_ENVTEST_SHA512"
NOWHERE: Final = "off"
"""The value of ``OCDP_ENVTEST_URL`` that means: never ask."""

PROGRAMS: Final = frozenset({"etcd", "kube-apiserver", "kubectl"})
"""What the archive holds of what we need."""

_VERSION: Final = Version(1, 36, 2)
"""The newest release for our Kubernetes minor version."""
_RELEASES: Final = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
_FOLDER: Final = "controller-tools/envtest"
_CHECKSUMS: Final[Mapping[str, str]] = {
    "darwin-amd64": (
        "b4fe9f973cd1992e3880f8b230ed32c0c243b83371591e3e3315f4404df2cdbe"
        "f8ee94eeb9bb245b7e5feb987d5c4a76c43e0877654ab73f00d7bbc2b9984514"
    ),
    "darwin-arm64": (
        "9278f9e5af556b2f1f2d139769c1f0d717c7b4426917fdebdba898bcb725a916"
        "e4910d6160886194ff9be9589ea7c5c32c2b8ae0754703874b7c8ba8ddfc41ce"
    ),
    "linux-amd64": (
        "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dc"
        "f30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08"
    ),
    "linux-arm64": (
        "2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae2818"
        "1afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac"
    ),
}
_MACHINES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

_MIB: Final = 1024 * 1024
_CHUNK: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What fetching may cost. Sizes in bytes, times in seconds."""

    archive_bytes: int = 300 * _MIB
    program_bytes: int = 300 * _MIB
    """For each program, unpacked."""
    answer_seconds: float = 4.0
    """Until the first byte, name lookup and redirects included: a machine without a route to it must not wait long."""
    stall_seconds: float = 20.0
    """Between two pieces of the archive."""
    seconds: float = 600.0
    """For the whole archive."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive, and what it must be."""

    url: str
    sha512: str
    """128 hexadecimal digits, in lower case."""

    @classmethod
    def chosen(cls, environment: Mapping[str, str]) -> Self | None:
        """The archive of ``OCDP_ENVTEST_URL`` and ``OCDP_ENVTEST_SHA512``, else the official one for this machine.

        None: there is none for this machine, or it is turned off (``OCDP_ENVTEST_URL=off``).

        Raises:
            LocalEnvironmentError: only one of the two is set, or one cannot work.
        """
        url, checksum = environment.get(URL_VARIABLE, ""), environment.get(CHECKSUM_VARIABLE, "").lower()
        if url == NOWHERE:
            return None
        if not url and not checksum:
            return cls._official()
        if not url or not checksum:
            raise LocalEnvironmentError(
                f"Set {URL_VARIABLE} and {CHECKSUM_VARIABLE} together, or neither, or {URL_VARIABLE}={NOWHERE}."
            )
        if urlsplit(url).scheme not in ("http", "https"):
            raise LocalEnvironmentError(f"{URL_VARIABLE} must be an http or https address.")
        if len(checksum) != 128 or set(checksum) - set("0123456789abcdef"):
            raise LocalEnvironmentError(f"{CHECKSUM_VARIABLE} must be 128 hexadecimal digits.")
        return cls(url, checksum)

    @classmethod
    def _official(cls) -> Self | None:
        target = f"{sys.platform}-{_MACHINES.get(platform.machine().lower(), platform.machine())}"
        checksum = _CHECKSUMS.get(target)
        if checksum is None:
            return None
        return cls(f"{_RELEASES}/envtest-v{_VERSION}/envtest-v{_VERSION}-{target}.tar.gz", checksum)

    @property
    def host(self) -> str:
        """Where it is, for a message."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def directory(self, cache: Path) -> Path:
        """Where its programs are kept: another archive has another place."""
        return cache / f"envtest-{self.sha512[:16]}"


class RefusedArchiveError(LocalEnvironmentError):
    """An archive came and is not what was asked for: nothing of it was kept."""


async def fetch(archive: Archive, cache: Path, limits: FetchLimits = FetchLimits()) -> Path:
    """Puts the archive's programs into the cache, whose lock the caller holds, and returns their directory.

    The archive is streamed to disk; nothing of it is read before its checksum is right; of its members only the programs
    are taken, and only regular files; the directory appears whole or not at all.

    Raises:
        RefusedArchiveError: it is not the archive whose checksum is known, or holds what it must not.
        LocalEnvironmentError: it cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix=".envtest-", dir=cache) as scratch:
        packed = Path(scratch, "archive.tar.gz")
        found = await _download(archive, packed, limits)
        if found != archive.sha512:
            raise RefusedArchiveError(
                f"the archive from {archive.host} has the wrong checksum (sha512 {found[:16]}…, not {archive.sha512[:16]}…)"
            )
        target = archive.directory(cache)
        await asyncio.to_thread(_install, packed, target, limits)
        return target


async def _download(archive: Archive, target: Path, limits: FetchLimits) -> str:
    """Streams the archive to ``target``; returns the SHA-512 of what came."""
    timeout = aiohttp.ClientTimeout(total=limits.seconds, sock_read=limits.stall_seconds)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            async with asyncio.timeout(limits.answer_seconds):
                answer = await session.get(archive.url)
            async with answer:
                if answer.status != 200:
                    raise LocalEnvironmentError(f"{archive.host} answers {answer.status}")
                with target.open("wb") as file:
                    return await _receive(answer, file, limits)
    except TimeoutError:
        raise LocalEnvironmentError(f"{archive.host} does not answer in time") from None
    except aiohttp.ClientPayloadError:
        raise LocalEnvironmentError(f"{archive.host} broke off in the middle") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise LocalEnvironmentError(f"{archive.host} cannot be reached ({type(error).__name__})") from None


async def _receive(answer: aiohttp.ClientResponse, file: IO[bytes], limits: FetchLimits) -> str:
    digest = hashlib.sha512()
    size = 0
    async for piece in answer.content.iter_chunked(_CHUNK):
        size += len(piece)
        if size > limits.archive_bytes:
            raise RefusedArchiveError(f"the archive is larger than {limits.archive_bytes // _MIB} MiB")
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()


def _install(packed: Path, target: Path, limits: FetchLimits) -> None:
    """Unpacks beside the archive, and moves the result to its place in one step."""
    unpacked = packed.parent / "programs"
    unpacked.mkdir()
    _unpack(packed, unpacked, limits)
    shutil.rmtree(target, ignore_errors=True)
    unpacked.replace(target)


def _unpack(packed: Path, target: Path, limits: FetchLimits) -> None:
    """Writes the programs to ``target`` under their plain names. Their places in the archive are compared, never followed."""
    wanted = {f"{_FOLDER}/{name}": name for name in PROGRAMS}
    with _readable(packed) as archive:
        for member in archive:
            name = wanted.get(member.name.removeprefix("./"))
            if name is None:
                continue
            if not member.isreg():
                raise RefusedArchiveError(f"{name} in the archive is not a regular file")
            if member.size > limits.program_bytes:
                raise RefusedArchiveError(
                    f"{name} in the archive is larger than {limits.program_bytes // _MIB} MiB"
                )
            source = archive.extractfile(member)
            assert source is not None  # a regular file has content
            _write(source, target / name)
    missing = sorted(PROGRAMS - {path.name for path in target.iterdir()})
    if missing:
        raise RefusedArchiveError(f"the archive does not hold {', '.join(missing)}")


@contextmanager
def _readable(packed: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(packed, "r:gz") as archive:
            yield archive
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise RefusedArchiveError(f"the archive cannot be unpacked ({type(error).__name__})") from None


def _write(source: IO[bytes], path: Path) -> None:
    # A name that comes twice is an archive that means to confuse.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
