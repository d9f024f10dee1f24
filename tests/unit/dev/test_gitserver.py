from __future__ import annotations

import base64

import pytest

from ocdp_operator.dev.gitserver import BasicAuth, _parsed


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        pytest.param(basic("ann:pass:word"), True, id="right"),
        pytest.param(basic("ann:other"), False, id="wrong-password"),
        pytest.param(basic("bob:pass:word"), False, id="wrong-user"),
        pytest.param("Bearer x", False, id="another-scheme"),
        pytest.param("Basic \u00e4", False, id="not-ascii"),
        pytest.param(None, False, id="none"),
    ],
)
def test_only_the_right_credentials_are_admitted(header: str | None, admitted: bool) -> None:
    assert BasicAuth("ann", "pass:word").admits(header) is admitted


def test_password_is_not_shown() -> None:
    assert "pass:word" not in repr(BasicAuth("ann", "pass:word"))


@pytest.mark.parametrize(
    ("head", "parsed"),
    [
        (b"Content-Type: text/plain\r\n\r\n", (200, {"Content-Type": "text/plain"})),
        (b"Status: 404 Not Found\r\nPragma: no-cache\r\n\r\n", (404, {"Pragma": "no-cache"})),
    ],
    ids=["without a status", "with a status"],
)
def test_answer_of_the_backend_becomes_status_and_headers(
    head: bytes, parsed: tuple[int, dict[str, str]]
) -> None:
    assert _parsed(head) == parsed
