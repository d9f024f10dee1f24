"""kustomize behind the Renderer port: one confined process for each build, in a directory that does not outlive it.

What it builds was checked before (``model/kustomization.py``): it has nothing to fetch. It also finds no git, no helm and
no plugin: its PATH is empty, its HOME is a new directory, and no plugin flag is ever given.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, Self

from ocdp_operator.adapters.confined import Command, Ended, run
from ocdp_operator.adapters.workdir import WorkDirectory
from ocdp_operator.errors import Actor, Reason, SettingsError, Stalled, Waiting
from ocdp_operator.model.documents import parse_rendering
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.source import Artifact, Overlay, Rendering

_MIB: Final = 1024 * 1024
_VERSION: Final = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+[-+.0-9A-Za-z]*")
_NOWHERE: Final = "http://127.0.0.1:9"
"""A proxy that answers nobody, should a build ever ask for anything."""
_IN_LOOP: Final = 64 * 1024
"""Bytes of output up to which it is parsed at once; more is parsed in a thread, so that the event loop goes on."""


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """What a build may cost. Sizes in bytes, times in seconds."""

    seconds: float = 20.0
    cpu_seconds: int = 10
    output_bytes: int = 8 * _MIB
    memory_bytes: int = 1024 * _MIB
    objects: int = 300
    processes: int = 2
    """Builds at once."""


class KustomizeRenderer:
    """Runs kustomize: the standalone binary, or the one inside kubectl. ``open`` it before use, ``close`` it after."""

    def __init__(
        self,
        work_dir: Path,
        *,
        kustomize: Path | None = None,
        limits: RenderLimits = RenderLimits(),
    ) -> None:
        """``kustomize``: the binary to use, kubectl too; None: ``kustomize`` on PATH, else ``kubectl``."""
        self._work_dir = work_dir
        self._wanted = kustomize
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.processes)
        self._work: WorkDirectory | None = None
        self._program: tuple[str, ...] = ()
        self._left: list[Path] = []
        """Directories that could not be removed, such as for want of file descriptors: the next build does it."""

    async def open(self) -> Self:
        """Takes a directory below the work directory, and sweeps what an earlier process left there.

        Raises SettingsError when there is no kustomize, or the work directory cannot be used.
        """
        self._program = _locate(self._wanted)
        self._work = WorkDirectory.take(self._work_dir, "renders")
        for left in self._work.path.glob("render-*"):
            shutil.rmtree(left, ignore_errors=True)
        return self

    async def close(self) -> None:
        """Gives the directory back; builds that are under way must have ended."""
        self._left = [left for left in self._left if not _removed(left)]
        work, self._work = self._work, None
        if work is not None:
            work.release()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def version(self) -> str:
        """The version of kustomize, as ``v5.8.1``. Raises SettingsError when the program does not tell."""
        standalone = len(self._program) == 1
        arguments = ("version",) if standalone else ("version", "--client")
        with self._directory() as directory:
            ended = await run(self._command((self._program[0], *arguments), directory))
        lines = ended.output.decode(errors="replace").splitlines()
        for line in lines:
            found = _VERSION.search(line)
            if found is not None and (standalone or "kustomize" in line.lower()):
                return found[0]
        raise SettingsError(f"{Path(self._program[0]).name} does not tell which version of kustomize it is.")

    async def render(self, artifact: Artifact, overlay: Overlay) -> Rendering:
        """See the port. Raises Waiting(BuildFailed) instead where it was the machine that failed."""
        async with self._slots:
            with _own_faults(), self._directory() as directory:
                _write(directory, artifact, overlay)
                target = ("--load-restrictor", "LoadRestrictionsRootOnly", "overlay")
                build = (*self._program, *(("build",) if len(self._program) == 1 else ()), *target)
                ended = await run(self._command(build, directory))
        if not ended.succeeded:
            raise _failure(ended, artifact, directory, self._limits)
        if len(ended.output) <= _IN_LOOP:
            return _parsed(ended.output, self._limits.objects)
        return await asyncio.to_thread(_parsed, ended.output, self._limits.objects)

    def _command(self, argv: tuple[str, ...], directory: Path) -> Command:
        limits = self._limits
        return Command(
            argv=argv,
            environment={
                "PATH": "",
                "HOME": str(directory),
                "XDG_CONFIG_HOME": str(directory),
                "XDG_CACHE_HOME": str(directory),
                "TMPDIR": str(directory),
                "KUBECONFIG": "/dev/null",
                "HTTP_PROXY": _NOWHERE,
                "HTTPS_PROXY": _NOWHERE,
                "LC_ALL": "C",
                # Short-lived: it ends before a collection would pay; the limit collects where a build is large.
                "GOGC": "off",
                "GOMEMLIMIT": str(limits.memory_bytes // 2),
            },
            directory=directory,
            seconds=limits.seconds,
            output_limit=limits.output_bytes,
            limits={
                resource.RLIMIT_CPU: limits.cpu_seconds,
                resource.RLIMIT_DATA: limits.memory_bytes,
                resource.RLIMIT_FSIZE: 0,
                resource.RLIMIT_CORE: 0,
                resource.RLIMIT_NOFILE: 256,
            },
        )

    @contextmanager
    def _directory(self) -> Iterator[Path]:
        if self._work is None:
            raise RuntimeError("the renderer is used before it is opened, or after it is closed")
        self._left = [left for left in self._left if not _removed(left)]
        directory = Path(mkdtemp(prefix="render-", dir=self._work.path))
        try:
            yield directory
        finally:
            if not _removed(directory):
                self._left.append(directory)


def _removed(directory: Path) -> bool:
    shutil.rmtree(directory, ignore_errors=True)
    return not os.path.lexists(directory)  # raises nothing


def _locate(wanted: Path | None) -> tuple[str, ...]:
    """The program, with what it needs before its options: ``(kustomize,)`` or ``(kubectl, "kustomize")``."""
    for name in (str(wanted),) if wanted is not None else ("kustomize", "kubectl"):
        found = shutil.which(name)
        if found is not None:
            path = Path(found).absolute()
            return (str(path), "kustomize") if path.name.startswith("kubectl") else (str(path),)
    what = f"{wanted} is not installed" if wanted is not None else "neither it nor kubectl is on PATH"
    raise SettingsError(f"kustomize is needed, and {what}: install it, or set `kustomize` to its path.")


def _write(directory: Path, artifact: Artifact, overlay: Overlay) -> None:
    (directory / "source").symlink_to(artifact.root, target_is_directory=True)
    for path, content in overlay.files.items():
        file = directory / "overlay" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@contextmanager
def _own_faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _machine(f"kustomize could not be started: {error.strerror}.") from None


def _machine(what: str) -> Waiting:
    remedy = "Give the operator more memory, processor time or room in its work directory."
    return Waiting(Reason.BUILD_FAILED, what, actor=Actor.CLUSTER_OPERATOR, remedy=remedy)


def _failure(ended: Ended, artifact: Artifact, directory: Path, limits: RenderLimits) -> Stalled | Waiting:
    if ended.overflowed:
        return Stalled(
            Reason.BUILD_FAILED, f"kustomize printed more than {limits.output_bytes} bytes of manifests."
        )
    if ended.timed_out:
        return _machine(f"kustomize did not end within {limits.seconds:g} seconds.")
    if ended.code < 0:
        return Stalled(
            Reason.BUILD_FAILED, f"kustomize was killed by signal {-ended.code}: the base costs too much."
        )
    return Stalled(
        Reason.BUILD_FAILED, f"kustomize refuses the build: {_useful_line(ended.errors, artifact, directory)}"
    )


def _useful_line(errors: str, artifact: Artifact, directory: Path) -> str:
    """What it says went wrong, without any path of this machine."""
    lines = [line.strip() for line in errors.splitlines() if line.strip() and not line.startswith("#")]
    line = next((line for line in lines if line.startswith(("Error:", "error:"))), lines[0] if lines else "")
    places = (directory, artifact.root, directory.parent, artifact.root.parent)
    for place in (path for each in places for path in (each, each.resolve())):
        line = line.replace(f"{place}/", "").replace(str(place), ".")
    line = line.removeprefix("Error:").removeprefix("error:").strip()
    clean = "".join(char if char.isprintable() else "?" for char in line)
    return clean if len(clean) <= 600 else f"{clean[:300]} … {clean[-300:]}"


def _parsed(output: bytes, limit: int) -> Rendering:
    documents = [document for document in parse_rendering(output) if document is not None]
    if len(documents) > limit:
        raise Stalled(Reason.BUILD_FAILED, f"kustomize gave {len(documents)} objects, of at most {limit}.")
    return Rendering(tuple(_manifest(number, document) for number, document in enumerate(documents, start=1)))


def _manifest(number: int, document: Any) -> Manifest:
    body = document if isinstance(document, dict) else {}
    metadata = body.get("metadata")
    identity = [
        body.get("apiVersion"),
        body.get("kind"),
        metadata.get("name") if isinstance(metadata, dict) else None,
    ]
    if not all(isinstance(part, str) and part for part in identity):
        what = f"Object {number} of the rendering has no apiVersion, kind or metadata.name."
        raise Stalled(Reason.BUILD_FAILED, what)
    return Manifest.of(body)
