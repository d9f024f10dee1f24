from __future__ import annotations

import pytest

from ocdp_operator.adapters.git.origins import AllowList, Origin, shown
from ocdp_operator.errors import Reason, SettingsError, Stalled

ALLOWED = AllowList(
    [
        Origin.parse("https://git.example.test"),
        Origin.parse("https://forge.example.test:8443/team"),
        Origin.parse("http://127.0.0.1:3000", insecure=True),
        Origin.parse("https://[2001:db8::1]"),
    ]
)

COVERED = [
    "https://git.example.test/apps.git",
    "https://GIT.example.test/apps.git",
    "https://git.example.test:443/a/b/c",
    "https://git.example.test/a%20b/_git/c+d~e",
    "https://forge.example.test:8443/team/apps.git",
    "https://forge.example.test:8443/team",
    "http://127.0.0.1:3000/apps.git/",
    "https://[2001:db8::1]/apps.git",
]
NOT_LISTED = [
    "https://other.example.test/apps.git",
    "https://git.example.test.evil.test/apps.git",
    "https://git.example.test:8443/apps.git",
    "https://forge.example.test:8443/team-evil/apps.git",
    "https://forge.example.test:8443/other/apps.git",
    "https://forge.example.test:8443/TEAM/apps.git",
    "http://git.example.test/apps.git",
    "http://127.0.0.1:3001/apps.git",
    "http://127.0.0.1/apps.git",
    "http://localhost:3000/apps.git",
    "http://2130706433:3000/apps.git",
    "http://0x7f.1:3000/apps.git",
    "http://[::1]:3000/apps.git",
    "http://[::ffff:127.0.0.1]:3000/apps.git",
    "http://169.254.169.254/latest/meta-data",
]
NO_PLAIN_URL = [
    "",
    "-oProxyCommand=x",
    "--upload-pack=touch x",
    "https://user:hunter2@git.example.test/apps.git",
    "https://hunter2@git.example.test/apps.git",
    "https://git.example.test@evil.test/apps.git",
    "https://git.example.test\\@evil.test/",
    "https://git.example.test/$HOME",
    "https://git.example.test/${OCDP_CATALOG_DSN}",
    "https://git.example.test/apps.git?ref=--upload-pack=x",
    "https://git.example.test/apps.git#main",
    "https://git.example.test/a/../b",
    "https://git.example.test/./b",
    "https://git.example.test//b",
    "https://git.example.test/%2e%2e/b",
    "https://git.example.test/a%2fb",
    "https://git.example.test/a\nb",
    "https://git.example.test/a\n",
    "https://git.example.test/a b",
    "https://git.example.test/a\0",
    "https://git.example.test:0/a",
    "https://git.example.test:99999/a",
    "https://git..example.test/a",
    "https://git.example.test./a",
    "https:///a",
    "https://-git.example.test/a",
    "https://gït.example.test/a",
    "HTTPS://git.example.test/a",
    "ssh://git@git.example.test/apps.git",
    "git@git.example.test:apps.git",
    "git://git.example.test/apps.git",
    "file:///etc",
    "/etc",
    "ext::sh -c touch% x",
    "git::https://git.example.test/a",
    "https://git.example.test/" + "a" * 2000,
]


@pytest.mark.parametrize("url", COVERED, ids=repr)
def test_a_url_below_a_listed_origin_passes(url: str):
    ALLOWED.check(url)


@pytest.mark.parametrize("url", [*NOT_LISTED, *NO_PLAIN_URL], ids=repr)
def test_every_other_url_is_refused_without_what_stands_before_an_at(url: str):
    with pytest.raises(Stalled) as error:
        ALLOWED.check(url)
    assert error.value.reason is Reason.URL_NOT_ALLOWED
    assert error.value.message.isprintable()
    assert "hunter2" not in error.value.message
    assert len(error.value.message) < 400


def test_plain_http_must_be_asked_for():
    with pytest.raises(SettingsError, match="insecure"):
        Origin.parse("http://git.example.test")
    assert str(Origin.parse("http://git.example.test:80/x/", insecure=True)) == "http://git.example.test/x"


@pytest.mark.parametrize(
    "text", ["git.example.test", "ssh://git.example.test", "https://a@b.test", "*"], ids=str
)
def test_what_is_no_origin_cannot_be_listed(text: str):
    with pytest.raises(SettingsError, match="origin"):
        Origin.parse(text)


def test_a_url_is_shown_on_one_line_without_credentials():
    assert shown("https://user:pw@git.example.test/a?token=x") == "https://git.example.test/a"
    assert shown("user:pw@host:path") == "host:path"
    assert shown("https://h/\n\x1b") == "https://h/??"
    assert len(shown("https://h/" + "a" * 500)) == 200
