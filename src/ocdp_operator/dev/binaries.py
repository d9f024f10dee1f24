"""Finding the control plane's programs: each looked up by itself, its version checked, built when nothing has it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from ocdp_operator.dev.envtest import PROGRAMS, Archive, RefusedArchiveError, fetch
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gobuild import GoBuilds
from ocdp_operator.dev.process import run
from ocdp_operator.dev.recipes import KUBERNETES, KWOK_STAGES, RECIPES, Recipe, Version

Report = Callable[[str], None]

_ASSETS: Final = "KUBEBUILDER_ASSETS"
_ASK_SECONDS: Final = 60.0
_BARE: Final = {"PATH": os.defpath, "HOME": os.devnull}


def to_stderr(line: str) -> None:
    """Prints a line of progress."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress of a command a person waits for


def cache_directory() -> Path:
    """Where built programs are kept: ``$XDG_CACHE_HOME/ocdp/controlplane/v<Kubernetes version>``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ocdp" / "controlplane" / f"v{KUBERNETES}"


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where each program is."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kwok: Path
    kwok_stages: Path
    """A directory of kwok Stage files, from kwok's own module."""
    kubectl: Path
    kustomize: Path

    @classmethod
    async def locate(cls, report: Report = to_stderr) -> Self:
        """Finds every program, fetching and building what no place has; ``report`` gets a line for each step.

        Two processes at once build once: the second waits for the first's lock. A build that is cut short keeps
        each program that was finished.

        Raises:
            LocalEnvironmentError: a program could not be built; the message holds the reason and the remedy.
        """
        paths = {name.replace("-", "_"): path for name, path in (await provide(RECIPES, report)).items()}
        return cls(**paths, kwok_stages=paths["kwok"].parent / KWOK_STAGES)


async def provide(recipes: tuple[Recipe, ...], report: Report = to_stderr) -> dict[str, Path]:
    """Some of the programs, as ``Binaries.locate`` finds and builds all of them: name -> path.

    Raises:
        LocalEnvironmentError: as there.
    """
    cache = Cache(cache_directory())
    archive = EnvtestArchive(Archive.chosen(os.environ), cache.directory)
    found = await _look_up(recipes, (Assets(), cache, archive, SearchPath()))
    missing = _missing(recipes, found)
    if missing:
        async with cache.locked(report):
            found |= await _provide(missing, (cache, archive), found, report)
    return {name: answer.path for name, answer in found.items() if answer.path is not None}


@dataclass(frozen=True, slots=True)
class Answer:
    """What looking for one program gave: a path, or why each place has none that serves."""

    path: Path | None
    refusals: tuple[str, ...] = ()


class Place(Protocol):
    """Somewhere a program may be."""

    async def find(self, recipe: Recipe) -> Answer:
        """Where the program is; no path when it is not here or its version does not serve."""
        ...


class Assets:
    """The directory that ``KUBEBUILDER_ASSETS`` names."""

    def __init__(self) -> None:
        named = os.environ.get(_ASSETS)
        self._directory = Path(named).absolute() if named else None

    async def find(self, recipe: Recipe) -> Answer:
        """See :class:`Place`."""
        if self._directory is None:
            return Answer(None)
        return await _checked(self._directory / recipe.name, recipe, _ASSETS)


class SearchPath:
    """``PATH``, for kubectl alone: the others are not usually installed, and never for this."""

    async def find(self, recipe: Recipe) -> Answer:
        """See :class:`Place`."""
        path = shutil.which(recipe.name) if recipe.name == "kubectl" else None
        if path is None:
            return Answer(None)
        return await _checked(Path(path), recipe, "PATH")


class Cache:
    """Programs that were built before: of exactly our versions."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def find(self, recipe: Recipe) -> Answer:
        """See :class:`Place`."""
        return await _checked(self.directory / recipe.name, recipe, "the cache", exactly=True)

    @asynccontextmanager
    async def locked(self, report: Report) -> AsyncIterator[None]:
        """Holds the cache's lock, which is free again when its holder dies."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("ab") as file:
            waiting = False
            while not _try_lock(file.fileno()):
                if not waiting:
                    report("waiting for another process that builds the control plane's programs")
                waiting = True
                await asyncio.sleep(0.5)
            yield


class EnvtestArchive:
    """The official archive's programs, once it was fetched; of our minor version, not always of our patch."""

    def __init__(self, archive: Archive | None, cache: Path) -> None:
        self._archive = archive
        self._cache = cache

    async def find(self, recipe: Recipe) -> Answer:
        """See :class:`Place`."""
        if self._archive is None or recipe.name not in PROGRAMS:
            return Answer(None)
        return await _checked(
            self._archive.directory(self._cache) / recipe.name, recipe, "the envtest archive"
        )

    async def fetch(self, missing: Iterable[Recipe], report: Report) -> None:
        """Fetches it if it has something that is missing; a line tells when that failed, and why.

        What was fetched before and does not serve is not fetched again: the same checksum gives the same programs.
        """
        archive = self._archive
        if archive is None or not any(recipe.name in PROGRAMS for recipe in missing):
            return
        if archive.directory(self._cache).exists():
            return
        try:
            await fetch(archive, self._cache)
        except RefusedArchiveError as error:
            report(f"WARNING: {error}: refused, nothing of it is used; building instead")
        except LocalEnvironmentError as error:
            report(f"no envtest archive: {error}; building instead")
        else:
            report(f"fetched the envtest archive from {archive.host}")


def _missing(recipes: Iterable[Recipe], found: dict[str, Answer]) -> tuple[Recipe, ...]:
    return tuple(recipe for recipe in recipes if found[recipe.name].path is None)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _look_up(recipes: Iterable[Recipe], places: tuple[Place, ...]) -> dict[str, Answer]:
    wanted = tuple(recipes)
    answers = await asyncio.gather(*(_first(recipe, places) for recipe in wanted))
    return {recipe.name: answer for recipe, answer in zip(wanted, answers, strict=True)}


async def _first(recipe: Recipe, places: tuple[Place, ...]) -> Answer:
    refusals: list[str] = []
    for place in places:
        answer = await place.find(recipe)
        if answer.path is not None:
            return answer
        refusals.extend(answer.refusals)
    return Answer(None, tuple(refusals))


async def _provide(
    missing: tuple[Recipe, ...],
    kept: tuple[Cache, EnvtestArchive],
    refused: dict[str, Answer],
    report: Report,
) -> dict[str, Answer]:
    """Fetches or builds what is missing, after a second look: another process may just have done it."""
    cache, archive = kept
    found = await _look_up(missing, kept)
    if left := _missing(missing, found):
        await archive.fetch(left, report)
        found |= await _look_up(left, (archive,))
    left = _missing(missing, found)
    if not left:
        return found
    builds = await GoBuilds.prepare(cache.directory)
    for recipe in left:
        for refusal in dict.fromkeys((*refused[recipe.name].refusals, *found[recipe.name].refusals)):
            report(f"  {refusal}")
        report(f"building {recipe.name} v{recipe.version} with {builds.go} (about {recipe.minutes:g} min)")
        seconds = await builds.build(recipe)
        found[recipe.name] = await cache.find(recipe)
        if found[recipe.name].path is None:
            raise LocalEnvironmentError(
                f"The built {recipe.name} does not serve: {'; '.join(found[recipe.name].refusals)}. "
                "Report it, with the version of Go."
            )
        report(f"built {recipe.name} in {seconds:.0f} s")
    return found


async def _checked(path: Path, recipe: Recipe, place: str, *, exactly: bool = False) -> Answer:
    """``path`` if it runs and its version serves (or is ``exactly`` ours), else why not."""
    if not _present(path):
        return Answer(None)
    if recipe.name == "kwok" and not _stages_beside(path):
        return Answer(None, (f"kwok in {place} has no {KWOK_STAGES} beside it",))
    try:
        version = Version.found_in(
            (await run(str(path), *recipe.asks, env=_BARE, seconds=_ASK_SECONDS)).output.decode()
        )
    except (OSError, TimeoutError, UnicodeDecodeError, LocalEnvironmentError):
        return Answer(None, (f"{recipe.name} in {place} does not tell its version",))
    if version == recipe.version or (not exactly and recipe.accepts(version)):
        return Answer(path)
    wanted = f"v{recipe.version}" if exactly else recipe.wanted
    return Answer(None, (f"{recipe.name} in {place} is v{version}, and {wanted} is needed",))


def _present(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _stages_beside(path: Path) -> bool:
    return any((path.parent / KWOK_STAGES).glob("*.yaml"))
