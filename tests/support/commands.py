"""``ocdp`` as a user calls it: a process of its own, with a kubeconfig and nothing else."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line of the output."""
        return [line.split() for line in self.out.splitlines()]


@dataclass(frozen=True)
class Ocdp:
    """Whose cluster and which namespace it works in."""

    kubeconfig: Path
    namespace: str
    home: Path

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Ended:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ocdp_operator.cli.app", *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig)} | environment,
        )  # fmt: skip
        out, err = await process.communicate(stdin.encode())
        return Ended(process.returncode or 0, out.decode(), err.decode())

    async def claim(self, *arguments: str, **environment: str) -> Ended:
        return await self("claim", *arguments, "-n", self.namespace, **environment)
