"""Golden files of what a user sees: compared, or renewed with ``--write-golden``."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-golden", action="store_true", help="renew the golden files of the tests that run"
    )


@dataclass(frozen=True)
class Golden:
    """A directory of them."""

    directory: Path
    renew: bool

    def fits(self, name: str, text: str) -> bool:
        """Whether the text is the committed file's; every text is where that is to be renewed."""
        file = self.directory / f"{name}.txt"
        return self.renew or (file.is_file() and file.read_text().splitlines() == text.splitlines())

    def compare(self, name: str, text: str) -> None:
        """Fails with the difference to the committed file; writes it instead where that is asked for."""
        file = self.directory / f"{name}.txt"
        if self.renew:
            file.write_text(text)
            return
        assert file.is_file(), (
            f"{file.name} is not there: make it with --write-golden, read it, and commit it"
        )
        shown = unified_diff(
            file.read_text().splitlines(), text.splitlines(), file.name, "seen now", lineterm=""
        )
        difference = "\n".join(shown)
        assert not difference, f"a user sees something else; if that is meant: --write-golden\n{difference}"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """The files in ``golden`` beside the test."""
    return Golden(request.path.parent / "golden", request.config.getoption("--write-golden"))
