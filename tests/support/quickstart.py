"""docs/quickstart.md as a program: files are written, commands are run in a shell, what they print is compared or renewed.

A ``yaml`` block that begins with ``# name`` is that file. In a ``console`` block each line after ``$ `` is a command; what
follows is what it printed. ``python -m tests.support.quickstart`` renews what changed.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ocdp_operator.dev.demo import Demo

PAGE: Final = Path(__file__).parents[2] / "docs" / "quickstart.md"
_BLOCK: Final = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VOLATILE: Final = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\b(?:203\.0\.113|10\.\d+\.\d+)\.\d+\b", "ADDRESS"),
        (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?Z?\b", "TIME"),
        (r"\b(?:[0-9a-f]{40}|[0-9a-f]{12})\b", "COMMIT"),
        (r"(?:(?<= )|^)\d+[smhd](?= |$)", "AGE"),
        (r"http://127\.0\.0\.1:\d+/[\w.-]+", "REPOSITORY"),
        (r"-[bcdfghjklmnpqrstvwxz2456789]{10}\b", "-HASH"),
        (r" +", " "),
    )
]
_PROGRESS: Final = "waiting for "
_SECONDS: Final = 180.0


def settled(output: str) -> list[str]:
    """The lines without what differs from run to run: addresses, times, ages, commits, and the width of columns."""
    lines = []
    for line in output.splitlines():
        for pattern, name in _VOLATILE:
            line = pattern.sub(name, line)  # noqa: PLW2901 - each replaces in what the one before left
        lines.append(line.strip())
    return lines


@dataclass(frozen=True)
class Step:
    """One command of the page, and what the page says that it prints."""

    command: str
    printed: str


@dataclass
class Shell:
    """A shell in a directory of its own, with ``ocdp`` and ``kubectl`` on PATH."""

    directory: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, demo: Demo, directory: Path) -> Shell:
        programs = directory / "bin"
        programs.mkdir()
        (programs / "ocdp").symlink_to(Path(sys.executable).parent / "ocdp")
        (programs / "kubectl").symlink_to(demo.platform.cluster.binaries.kubectl)
        exported = {**demo.exports(), "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(directory)}
        return cls(directory, exported)

    async def run(self, command: str) -> str:
        """What it printed on both streams, without the lines that tell what is waited for."""
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command, cwd=self.directory, env=self.environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(_SECONDS):
            output, _ = await process.communicate()
        lines = output.decode().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith(_PROGRESS))


def steps(block: str) -> Iterator[Step]:
    """The commands of a console block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield Step(command, printed)


async def renewed(page: str, shell: Shell) -> str:
    """The page with what its commands print now; what is the same but for what always differs stays as it is."""
    parts, end = [], 0
    for block in _BLOCK.finditer(page):
        language, content = block.groups()
        parts.append(page[end : block.start(2)])
        end = block.end(2)
        if language == "yaml":
            name, _, text = content.partition("\n")
            (shell.directory / name.removeprefix("# ")).write_text(text)
            parts.append(content)
            continue
        for step in steps(content):
            printed = await shell.run(step.command)
            same = settled(printed) == settled(step.printed)
            parts.append(f"$ {step.command}\n{step.printed if same else printed}")
    return "".join((*parts, page[end:]))


async def _renew() -> None:
    with TemporaryDirectory() as directory:
        async with Demo.started(print) as demo:
            await demo.load_catalog(print)
            PAGE.write_text(await renewed(PAGE.read_text(), Shell.of(demo, Path(directory))))


if __name__ == "__main__":
    asyncio.run(_renew())
