"""docs/cli.md and the program say the same, and every command explains itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ocdp_operator.cli.app import main
from tests.support.command_page import PAGE, commands, page

NAMES = [path for path, _ in commands()]


def test_the_page_has_what_the_program_has():
    text = PAGE.read_text()
    assert text == page(text), "renew it: python -m tests.support.command_page"
    assert sorted(re.findall(r"^\| `(ocdp(?: [a-z-]+)+)", text, re.MULTILINE)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main([*name.split()[1:], "--help"])
    assert not ended.value.code
    assert "Usage:" in capsys.readouterr().out


def test_the_program_is_installed_under_its_name():
    program = Path(sys.executable).parent / "ocdp"
    ended = subprocess.run([program, "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(f" {name.split()[1]} " in ended.stdout for name in NAMES)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_for_a_shell(shell: str):
    program = Path(sys.executable).parent / "ocdp"
    variables = {"_OCDP_COMPLETE": f"source_{shell}", "PATH": "/usr/bin:/bin"}
    ended = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60, env=variables)
    assert ended.returncode == 0
    assert "_OCDP_COMPLETE" in ended.stdout


def test_every_option_has_a_help_text():
    silent = [
        f"{path} {parameter.name}"
        for path, command in commands()
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.help
    ]
    assert silent == []
