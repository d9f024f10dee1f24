"""``ocdp run`` ends when its work does."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
import yaml

SETTINGS = {"clusterId": "local", "kustomize": "/usr/bin/true", "origins": []}


@pytest.mark.parametrize("where", ["at work", "left"])
@pytest.mark.parametrize(("times", "forced"), [(3, False), (10**6, True)], ids=["for a while", "for ever"])
async def test_a_process_whose_work_is_over_ends_whatever_does_not_let_go(
    tmp_path: Path, times: int, forced: bool, where: str
):
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.clinging", "run", "--settings", str(settings),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "OCDP_CATALOG_DSN": "postgresql://nobody@127.0.0.1:1/none", "CLINGS": str(times), "WHERE": where},
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode == int(forced), said
    assert b"the Lease is given back" in said
    assert (b"ended by force" in said) is forced
    assert (b"a part that clings" in said) is forced
