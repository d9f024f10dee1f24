"""Every line of the operator's log is one JSON object, whoever speaks, and no exception says what it was given."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CANARY = "canary-5ec4e7"

PROGRAM = """
import asyncio, logging, sys, warnings
import structlog
from ocdp_operator.cli.logs import start_logging, tell_unhandled

start_logging("info", as_json=sys.argv[1] == "json")
log = structlog.get_logger("ours")

def fail():
    secret = "canary-5ec4e7"
    raise ValueError(secret)

log.info("ours", claim="a/b", number=1)
log.debug("not told")
log.info("many\\nlines", value="also\\nmany")
logging.getLogger("kopf").warning("theirs %s", "with arguments")
logging.getLogger("kopf").info("not told either")
warnings.warn("careful")
try:
    fail()
except ValueError as error:
    log.error("failed", exc_info=error)
    log.exception("failed again")
    logging.getLogger("aiohttp.server").exception("theirs failed")

async def forgotten():
    asyncio.get_running_loop().set_exception_handler(tell_unhandled)
    async def task():
        fail()
    asyncio.create_task(task())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

asyncio.run(forgotten())
import gc; gc.collect()
"""


def run(form: str) -> list[str]:
    """What the program writes, on either stream."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def test_ours_and_theirs_are_json_line_by_line():
    lines = [json.loads(line) for line in run("json")]
    assert [line["event"].split(":")[0] for line in lines] == [
        "ours", "many\nlines", "theirs with arguments", "<string>", "failed", "failed again", "theirs failed", "unhandled",
    ]  # fmt: skip
    assert all({"timestamp", "level", "event"} <= line.keys() for line in lines)
    assert (lines[0]["claim"], lines[0]["number"]) == ("a/b", 1)
    assert lines[2]["logger"] == "kopf"
    for line in lines[4:]:
        assert line["level"] == "error"
        assert line["exception"].splitlines()[-1] == "ValueError"
        assert "in fail" in line["exception"]


@pytest.mark.parametrize("form", ["json", "people"])
def test_no_exception_repeats_what_it_was_given(form: str):
    written = "\n".join(run(form))
    assert "ValueError" in written
    assert CANARY not in written
