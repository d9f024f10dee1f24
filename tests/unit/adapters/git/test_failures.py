from __future__ import annotations

import pytest

from ocdp_operator.adapters.confined import Ended
from ocdp_operator.adapters.git.failures import failure, is_recognised
from ocdp_operator.errors import Actor, Dependency, Reason, Stalled, Waiting

URL = "https://git.example.test/certificate.git"
AWAY = Dependency("source", URL)

SAID = {
    "wants a user": (
        "fatal: could not read Username for 'https://git.example.test': terminal prompts disabled",
        Reason.AUTHENTICATION_FAILED,
    ),
    "refuses them": (f"fatal: Authentication failed for '{URL}/'", Reason.AUTHENTICATION_FAILED),
    "forbids it": (
        f"fatal: unable to access '{URL}/': The requested URL returned error: 403",
        Reason.AUTHENTICATION_FAILED,
    ),
    "is not there": (f"fatal: repository '{URL}/' not found", Reason.GIT_OPERATION_FAILED),
    "redirects": (
        f"fatal: unable to access '{URL}/': The requested URL returned error: 302",
        Reason.URL_NOT_ALLOWED,
    ),
    "is in trouble": (
        f"fatal: unable to access '{URL}/': The requested URL returned error: 503",
        Reason.GIT_OPERATION_FAILED,
    ),
    "has no name": (
        f"fatal: unable to access '{URL}/': Could not resolve host: git.example.test",
        Reason.GIT_OPERATION_FAILED,
    ),
    "has a bad certificate": (
        f"fatal: unable to access '{URL}/': SSL certificate problem: self-signed certificate",
        Reason.GIT_OPERATION_FAILED,
    ),
    "does not listen": (
        f"fatal: unable to access '{URL}/': Failed to connect to git.example.test port 443",
        Reason.GIT_OPERATION_FAILED,
    ),
    "is slow": (
        "error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec transferred the last 20 seconds",
        Reason.GIT_OPERATION_FAILED,
    ),
    "breaks off while it answers": (
        f"fatal: unable to access '{URL}/': transfer closed with outstanding read data remaining",
        Reason.GIT_OPERATION_FAILED,
    ),
    "breaks off in a pack": (
        (
            "error: RPC failed; curl 18 transfer closed with outstanding read data remaining\n"
            "error: 1038 bytes of body are still expected\n"
            "fetch-pack: unexpected disconnect while reading sideband packet\nfatal: protocol error: bad pack header"
        ),
        Reason.GIT_OPERATION_FAILED,
    ),
    "breaks off in an object": (
        (
            "error: RPC failed; curl 92 HTTP/2 stream 5 was not closed cleanly: CANCEL (err 8)\n"
            "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output"
        ),
        Reason.GIT_OPERATION_FAILED,
    ),
    "has no such commit": (
        "fatal: remote error: upload-pack: not our ref 1111111111111111111111111111111111111111",
        Reason.REF_NOT_FOUND,
    ),
    "is too large": ("fatal: index-pack died of signal 25", Reason.SOURCE_TOO_LARGE),
    "is broken": (
        "error: object 11: zeroPaddedFilemode: contains zero-padded file modes\nfatal: fsck error in packed object",
        Reason.UNSAFE_BUILD,
    ),
    "is broken, so that nobody reads on": (
        (
            "fatal: fsck error in packed object\nfetch-pack: unexpected disconnect while reading sideband packet\n"
            "fatal: fetch-pack: invalid index-pack output"
        ),
        Reason.UNSAFE_BUILD,
    ),
    "hands out what is no pack": ("fatal: protocol error: bad pack header", Reason.UNSAFE_BUILD),
    "has no room": ("fatal: write error: No space left on device", Reason.GIT_OPERATION_FAILED),
}


@pytest.mark.parametrize(("said", "reason"), SAID.values(), ids=SAID.keys())
def test_what_git_complains_of_becomes_a_reason(said: str, reason: Reason):
    error = failure(Ended(128, b"", said), URL, URL)
    assert error.reason is reason
    assert is_recognised(Ended(128, b"", said), URL)
    if isinstance(error, Waiting):
        assert error.dependency == AWAY
    else:
        assert isinstance(error, Stalled)
        assert reason not in {Reason.GIT_OPERATION_FAILED, Reason.AUTHENTICATION_FAILED}


def test_words_in_the_url_itself_are_no_complaint():
    error = failure(Ended(128, b"", f"fatal: unable to access '{URL}/': Connection refused"), URL, URL)
    assert "does not answer" in error.message


def test_a_server_that_takes_too_long_is_waited_for():
    error = failure(Ended(-15, b"", "", timed_out=True), URL, URL)
    assert isinstance(error, Waiting)
    assert error.dependency == AWAY


def test_git_s_own_words_are_never_passed_on():
    said = "remote: your token hunter2 has expired at /tmp/mirror\nfatal: strange"
    ended = Ended(128, b"hunter2", said)
    error = failure(ended, URL, URL)
    assert not is_recognised(ended, URL)
    assert "hunter2" not in f"{error}{error.remedy}"
    assert "/tmp" not in error.message
    assert "hunter2" not in repr(ended)


def test_a_repository_that_is_not_there_is_the_platforms_to_correct():
    error = failure(Ended(128, b"", f"fatal: repository '{URL}/' not found"), URL, URL)
    assert error.actor is Actor.PLATFORM
