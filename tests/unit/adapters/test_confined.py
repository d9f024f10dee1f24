"""Limits of a program of others are never above our own: without privileges they could not be set at all."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import asyncio, os, resource
from pathlib import Path
from ocdp_operator.adapters.confined import Command, run
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
if os.geteuid() == 0:
    os.setuid(65534)
command = Command(("/bin/sh", "-c", "read line; ulimit -n"), {}, Path("/"), 20, 99, {resource.RLIMIT_NOFILE: 256}, b"go\\n")
print(asyncio.run(run(command)).output.decode().strip())
"""


def test_a_limit_above_our_own_is_our_own():
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert ended.stdout == "64\n", ended.stderr
