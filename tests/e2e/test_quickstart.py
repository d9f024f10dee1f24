"""The quickstart, as it is written: every command is run, and prints what the page says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.demo import Demo
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import PROJECT, Platform
from ocdp_operator.dev.snapshot import APPS, publish_apps
from tests.support.quickstart import PAGE, Shell, renewed, settled, steps


@pytest.fixture
async def demo(platform: Platform, operator: OperatorProcess) -> AsyncIterator[Demo]:
    """The demonstration's catalog on the session's control plane, without its claims.

    Its profiles are of the cluster and the customer that other tests have too: they are taken out of use again.
    """
    repository = await platform.git.repository(APPS)
    await publish_apps(repository, PROJECT)
    made = Demo(platform, operator, platform.git.url(APPS))
    await made.load_catalog(print)
    yield made
    for file in sorted((PROJECT / "examples" / "profiles").glob("*.yaml")):
        await platform.ocdp("profile", "disable", yaml.safe_load(file.read_text())["id"])


@pytest.mark.timeout(420)  # some forty commands, one after the other, each a process of its own
async def test_the_quickstart_prints_what_it_says(demo: Demo, tmp_path: Path) -> None:
    page = PAGE.read_text()
    now = await renewed(page, Shell.of(demo, tmp_path))
    assert settled(now) == settled(page), "renew it: python -m tests.support.quickstart"


def test_what_differs_from_run_to_run_is_not_compared() -> None:
    one = "ide  True   http://203.0.113.10  41s\nRevision 1 at commit 0123456789ab.\n"
    other = "ide True http://203.0.113.7 2m\nRevision 1 at commit ba9876543210.\n"
    assert settled(one) == settled(other)
    assert settled(one) != settled(one.replace("True", "False"))


def test_a_block_is_read_as_commands_and_what_they_print() -> None:
    assert [(s.command, s.printed) for s in steps("$ a\nx\ny\n$ b\n")] == [("a", "x\ny\n"), ("b", "")]
