"""Row 15: URLs, refs and commits that are commands, options, variables or detours. None is ever asked, expanded or run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from tests.integration.git.conftest import hang, listening
from tests.support.apps import template
from tests.support.hostile import Case, Crowd, codes, messages, write_rows
from tests.support.world import Team

SECRET = "hunter2-canary"
URLS = {
    "an option": "--upload-pack=touch {marker}",
    "a short option": "-u{marker}",
    "ext": "ext::sh -c touch% {marker}",
    "ext without blanks": "ext::touch%20{marker}",
    "a file": "file:///etc",
    "a path": "/etc",
    "ssh": "ssh://git@{host}/apps.git",
    "scp": "git@{host}:apps.git",
    "git": "git://{host}/apps.git",
    "ftp": "ftp://{host}/apps.git",
    "a line break": "http://{host}/apps.git\n",
    "a header": "http://{host}/apps.git\r\nX: y",
    "a blank": "http://{host}/a b.git",
    "user and password": f"http://user:{SECRET}@{{host}}/apps.git",
    "a user": f"https://{SECRET}@{{host}}/apps.git",
    "an address behind a user": "http://git.example.test@{host}/apps.git",
}
"""The catalog itself refuses these, whoever writes them."""
FOREIGN = {
    "a variable as the host": "http://$OCDP_CATALOG_DSN/apps.git",
    "a variable in the path": "http://{host}/$OCDP_CATALOG_DSN/${{HOME}}.git",
    "a variable under the allowed origin": "{allowed}/$OCDP_CATALOG_DSN.git",
    "IPv6 loopback": "http://[::1]:{port}/apps.git",
    "IPv6 with an IPv4 inside": "http://[::ffff:127.0.0.1]:{port}/apps.git",
    "decimal loopback": "http://2130706433:{port}/apps.git",
    "octal loopback": "http://0177.0.0.1:{port}/apps.git",
    "hexadecimal loopback": "http://0x7f000001:{port}/apps.git",
    "short loopback": "http://127.1:{port}/apps.git",
    "any address": "http://0.0.0.0:{port}/apps.git",
    "localhost": "http://localhost:{port}/apps.git",
    "another port": "http://{host}/apps.git",
    "the metadata service": "http://169.254.169.254/latest/meta-data",
    "the API server": "https://kubernetes.default.svc/apps.git",
    "a query": "{allowed}/apps.git?ref=--upload-pack=touch+{marker}",
    "a fragment": "{allowed}/apps.git#x",
    "an escape": "{allowed}/%2e%2e/apps.git",
    "dots": "{allowed}/../apps.git",
    "a backslash": "{allowed}\\apps.git",
    "an origin that begins alike": "{allowed}0/apps.git",
    "a host that begins alike": "{allowed}.example.test/apps.git",
}
"""These look like URLs: the operator refuses them, and so does publishing."""


def filled(urls: dict[str, str], *, canary: str, allowed: str, marker: Path) -> dict[str, str]:
    host = canary.removeprefix("http://")
    places = {"host": host, "port": host.partition(":")[2], "allowed": allowed, "marker": marker}
    return {name: url.format(**places) for name, url in urls.items()}


def source(url: str, ref: str = "v1", path: str = "web/base") -> dict[str, str]:
    return {"type": "gitKustomize", "repositoryUrl": url, "ref": ref, "path": path}


async def publishing(team: Team, *documents: dict) -> str:
    """What `ocdp template apply` says against these templates."""
    with pytest.raises(LocalEnvironmentError) as error:
        await team.platform.ocdp("template", "apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    return str(error.value)


REFS = ["--upload-pack=touch marker", "-x", "a b", "a\nb", "a\tb", ""]
NO_REFS = ["x..y", "*", "a:b", "@{-1}"]
ODD_REFS = ["x..y", "*", "$HOME", "refs/heads/../x", "a:b", "ext::sh", "v1^{commit}", "@{-1}", "a\\b"]


async def test_15_a_hostile_url_or_ref_is_refused_at_publishing(team: Team, tmp_path: Path):
    marker = tmp_path / "marker"
    async with listening(hang) as canary:
        places = {"canary": canary.origin, "allowed": team.platform.git.origin, "marker": marker}
        plain = list(filled(URLS, **places).values())
        documents = [template(f"u{n}", url, source=source(url)) for n, url in enumerate(plain)]
        documents += [
            template(f"r{n}", team.repository_url, source=source(team.repository_url, ref))
            for n, ref in enumerate(REFS)
        ]
        said = await publishing(team, *documents)
        for number in range(1, len(plain) + 1):
            assert f"document {number}, source.repositoryUrl: " in said
        for number in range(len(plain) + 1, len(documents) + 1):
            assert f"document {number}, source.ref: " in said
        assert SECRET not in said

        foreign = filled(FOREIGN, **places)
        one_of_each = ("a variable in the path", "decimal loopback", "a query", "an origin that begins alike")
        answers = await asyncio.gather(
            *(publishing(team, template("x", foreign[n], source=source(foreign[n]))) for n in one_of_each)
        )
        for answer in answers:
            assert "is no plain https URL" in answer or "is under no allowed origin" in answer
            assert "postgresql://" not in answer
        assert canary.heard == []
    assert not marker.exists()


async def test_15_a_ref_that_git_would_read_otherwise_is_no_ref(team: Team):
    before = team.platform.git.requests
    answers = await asyncio.gather(
        *(
            publishing(team, template("x", team.repository_url, source=source(team.repository_url, ref)))
            for ref in NO_REFS
        )
    )
    for ref, answer in zip(NO_REFS, answers, strict=True):
        assert f"Template x, ref {ref}: " in answer
        assert "can be no branch, tag or commit" in answer
    assert team.platform.git.requests == before


async def test_15_a_variable_as_a_ref_is_asked_for_as_it_stands(team: Team):
    document = template("x", team.repository_url, source=source(team.repository_url, "$HOME"))
    assert "has no branch or tag '$HOME'" in await publishing(team, document)


async def test_15_the_catalog_takes_no_such_row_and_the_operator_asks_none(
    new_team, operator: OperatorProcess, tmp_path: Path
):
    team: Team = await new_team("urls")
    marker = tmp_path / "marker"
    async with listening(hang) as canary:
        places = {"canary": canary.origin, "allowed": team.platform.git.origin, "marker": marker}
        for url in filled(URLS, **places).values():
            with pytest.raises(psycopg.errors.CheckViolation):
                await write_rows(team, {"never": ((url, "v1", "web/base", "1" * 40), {})})
        for ref in REFS:
            with pytest.raises(psycopg.errors.CheckViolation):
                await write_rows(team, {"never": ((team.repository_url, ref, "web/base", "1" * 40), {})})

        cases = {
            name: Case(source={"repository_url": url}) for name, url in filled(FOREIGN, **places).items()
        }
        odd = {f"the ref {ref}": Case(source={"ref": ref}) for ref in ODD_REFS}
        ids = {
            "a commit that nobody has": Case(source={"commit": "1" * 40}),
            "a commit of another kind": Case(source={"commit": "1" * 64}),
        }
        crowd = await Crowd.of(team, cases | odd | ids)
        found = await crowd.settled()
        assert codes(found) == {
            **dict.fromkeys(cases, "URLNotAllowed"),
            # The commit decides, and was resolved when it was published: no ref is ever given to git.
            **dict.fromkeys(odd, "Ready"),
            **dict.fromkeys(ids, "RefNotFound"),
        }
        assert canary.heard == []
    assert not marker.exists()
    everything = await crowd.everything_said(operator)
    dsn = team.platform.reader_dsn
    assert dsn not in everything
    assert dsn.partition("://")[2].partition("@")[0] not in everything
    said = messages({name: found[name] for name in cases})
    assert {name: text for name, text in said.items() if "\n" in text or len(text) > 400} == {}
