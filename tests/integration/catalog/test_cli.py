"""The platform team's commands against a real PostgreSQL; Git is a table of refs here."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml

from ocdp_operator.cli import template
from ocdp_operator.cli.app import main
from ocdp_operator.cli.template import RefResolver
from ocdp_operator.errors import Reason, Stalled
from tests.support.catalog_entries import COMMIT, OTHER_COMMIT, template_document

Ocdp = Callable[..., tuple[int, str, str]]


class Refs(dict[str, str]):
    async def resolve(self, repository_url: str, ref: str) -> str:
        if ref not in self:
            raise Stalled(Reason.REF_NOT_FOUND, f"There is no {ref} in {repository_url}.")
        return self[ref]

    @asynccontextmanager
    async def opened(self, _settings: object) -> AsyncIterator[RefResolver]:
        yield self.resolve


@pytest.fixture
def refs(monkeypatch: pytest.MonkeyPatch) -> Refs:
    refs = Refs({"code-server-v0.1.0": COMMIT})
    monkeypatch.setattr(template, "resolver", refs.opened)
    return refs


@pytest.fixture
def ocdp(
    catalog_dsn: str, refs: Refs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ocdp:
    """Runs ``ocdp`` with documents on standard input; gives its code and what it printed."""
    monkeypatch.setenv("OCDP_CATALOG_DSN", catalog_dsn)

    def call(*arguments: str, documents: list[dict[str, Any]] | None = None) -> tuple[int, str, str]:
        data = yaml.safe_dump_all(documents or []).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture
def offered(ocdp: Ocdp) -> Ocdp:
    """A catalog with an offer, made by commands."""
    for command, document in (
        ("cluster", {"kind": "Cluster", "id": "local"}),
        (
            "workspace",
            {
                "kind": "Workspace",
                "id": "team-a",
                "customer": "acme",
                "placements": [{"cluster": "local", "namespace": "ns-a"}],
            },
        ),
        ("template", template_document(title="Editor", description="VS Code in a browser.")),
        ("binding", {"kind": "AccessBinding", "template": "code-server", "workspace": "team-a"}),
    ):
        code, _, err = ocdp(command, "apply", "-f", "-", documents=[document])
        assert (code, err) == (0, "")
    return ocdp


def test_publishing_tells_the_revision_and_its_commit(ocdp: Ocdp):
    code, out, _ = ocdp("template", "apply", "-f", "-", documents=[template_document()])
    assert code == 0
    assert out == f"template code-server published: revision 1, code-server-v0.1.0 at commit {COMMIT[:12]}\n"


def test_publishing_the_same_again_tells_that_there_is_nothing_new(offered: Ocdp):
    document = template_document(title="Editor", description="VS Code in a browser.")
    _, out, _ = offered("template", "apply", "-f", "-", documents=[document])
    assert out == "template code-server unchanged: revision 1 already says this\n"


def test_a_ref_that_moved_is_a_new_revision(offered: Ocdp, refs: Refs):
    refs["code-server-v0.1.0"] = OTHER_COMMIT
    _, out, _ = offered("template", "apply", "-f", "-", documents=[template_document()])
    assert "revision 2" in out


def test_a_ref_that_is_not_there_publishes_nothing(ocdp: Ocdp):
    source = template_document()["source"] | {"ref": "v9"}
    documents = [template_document("good"), template_document("bad", source=source)]
    code, out, err = ocdp("template", "apply", "-f", "-", documents=documents)
    assert (code, out) == (1, "")
    assert err.startswith("error: Template bad, ref v9: There is no v9 in")
    assert "what to do: Publish the template with a ref" in err
    assert json.loads(ocdp("template", "list", "-o", "json")[1]) == []


def test_templates_are_listed_for_people(offered: Ocdp):
    _, out, _ = offered("template", "list")
    header, row = out.splitlines()
    assert header.split() == ["TEMPLATE", "REVISION", "REF", "COMMIT", "PUBLISHED", "STATE", "TITLE"]
    assert row.split()[:4] == ["code-server", "1", "code-server-v0.1.0", COMMIT[:12]]
    assert row.endswith("enabled  Editor")


def test_all_revisions_of_a_template_are_listed_newest_first(offered: Ocdp, refs: Refs):
    refs["code-server-v0.1.0"] = OTHER_COMMIT
    offered("template", "apply", "-f", "-", documents=[template_document()])
    _, out, _ = offered("template", "list", "code-server")
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["2", "1"]


def test_a_template_is_shown_with_the_values_that_it_takes(offered: Ocdp):
    _, out, _ = offered("template", "get", "code-server")
    lines = [line.split() for line in out.splitlines()]
    assert ["exposure", "clusterip", "|", "ingress", '"clusterip"'] in lines
    assert ["storageGi", "integer", "10"] in lines
    assert any(COMMIT in line for line in lines)


def test_a_template_that_was_shown_as_yaml_can_be_applied_again(offered: Ocdp):
    _, shown, _ = offered("template", "get", "code-server", "-o", "yaml")
    assert yaml.safe_load(shown)["published"]["commit"] == COMMIT
    _, out, _ = offered("template", "apply", "-f", "-", documents=[yaml.safe_load(shown)])
    assert out == "template code-server unchanged: revision 1 already says this\n"


def test_an_unknown_template_is_told_with_a_remedy(offered: Ocdp):
    code, _, err = offered("template", "get", "nothing")
    assert code == 1
    assert err == "error: There is no template nothing.\nwhat to do: See `ocdp template list`.\n"


def test_a_workspace_is_printed_for_kubectl(offered: Ocdp):
    _, out, _ = offered(
        "workspace", "manifest", "team-a", "--cluster", "local", "--operator-account", "robot"
    )
    namespace, role_binding = yaml.safe_load_all(out)
    assert namespace["metadata"]["name"] == "ns-a"
    assert role_binding["subjects"][0]["name"] == "robot"


def test_a_workspace_that_is_not_placed_has_no_manifest(offered: Ocdp):
    code, out, err = offered("workspace", "manifest", "team-a", "--cluster", "far")
    assert (code, out) == (1, "")
    assert "not placed in cluster far" in err


@pytest.mark.parametrize(
    ("command", "row"),
    [
        ("cluster", ["local", "enabled"]),
        ("workspace", ["team-a", "acme", "local", "ns-a", "enabled"]),
        ("binding", ["code-server", "workspace", "team-a", "enabled"]),
    ],
)
def test_the_rest_of_the_catalog_is_listed(offered: Ocdp, command: str, row: list[str]):
    _, out, _ = offered(command, "list")
    assert [line.split() for line in out.splitlines()[1:]] == [row]
    documents = list(yaml.safe_load_all(offered(command, "list", "-o", "yaml")[1]))
    _, out, _ = offered(command, "apply", "-f", "-", documents=documents)
    assert all("unchanged" in line for line in out.splitlines())


def test_an_offer_is_taken_back_by_disabling_it(offered: Ocdp):
    document = {"kind": "AccessBinding", "template": "code-server", "workspace": "team-a", "disabled": True}
    assert "changed" in offered("binding", "apply", "-f", "-", documents=[document])[1]
    assert "disabled" in offered("binding", "list")[1]


def test_a_binding_of_a_user_is_stored_like_any_other(offered: Ocdp):
    document = {"kind": "AccessBinding", "template": "code-server", "user": "ada"}
    _, out, _ = offered("binding", "apply", "-f", "-", documents=[document])
    assert out == "binding of code-server to user ada created\n"


def test_migrating_again_and_granting_are_told(offered: Ocdp):
    assert "already" in offered("catalog", "migrate")[1]
    assert (
        "may read the catalog, and nothing more" in offered("catalog", "grant", "--role", "ocdp_operator")[1]
    )
    code, _, err = offered("catalog", "grant", "--role", "postgres")
    assert code == 1
    assert "could also write" in err


async def test_two_processes_that_migrate_at_once_both_succeed(postgres: str):
    async def migrate() -> tuple[int, bytes]:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ocdp_operator.cli.app",
            "catalog",
            "migrate",
            env={"OCDP_CATALOG_DSN": postgres},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await child.communicate()
        return child.returncode, output

    done = await asyncio.gather(migrate(), migrate())
    assert [code for code, _ in done] == [0, 0], done


ENTRIES = [
    pytest.param(("cluster",), ("local",), "cluster local", id="cluster"),
    pytest.param(("workspace",), ("team-a",), "workspace team-a", id="workspace"),
    pytest.param(
        ("binding",),
        ("code-server", "--workspace", "team-a"),
        "binding of code-server to workspace team-a",
        id="binding",
    ),
]


@pytest.mark.parametrize(("group", "name", "said"), ENTRIES)
def test_an_entry_is_disabled_and_enabled_again(
    offered: Ocdp, group: tuple[str], name: tuple[str, ...], said: str
):
    assert offered(*group, "disable", *name) == (0, f"{said} changed: disabled\n", "")
    assert offered(*group, "disable", *name) == (0, f"{said} unchanged: disabled\n", "")
    assert "disabled" in offered(*group, "get", *name)[1]
    assert "disabled" in offered(*group, "history", *name)[1]
    assert offered(*group, "enable", *name) == (0, f"{said} changed: enabled\n", "")
    assert "enabled" in offered(*group, "get", *name)[1]


@pytest.mark.parametrize(("group", "name", "said"), ENTRIES)
def test_an_entry_that_is_got_can_be_applied_again(
    offered: Ocdp, group: tuple[str], name: tuple[str, ...], said: str
):
    document = json.loads(offered(*group, "get", *name, "-o", "json")[1])
    code, out, _ = offered(*group, "apply", "-f", "-", documents=[document])
    assert (code, out.splitlines()[0]) == (0, f"{said} unchanged")


@pytest.mark.parametrize("verb", ["get", "history", "disable", "enable"])
@pytest.mark.parametrize(
    ("group", "name"),
    [("cluster", ("x",)), ("workspace", ("x",)), ("binding", ("code-server", "--user", "alice"))],
    ids=["cluster", "workspace", "binding"],
)
def test_an_entry_that_is_not_there_is_named(offered: Ocdp, verb: str, group: str, name: tuple[str, ...]):
    code, out, err = offered(group, verb, *name)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: There is no {group} ")
    assert f"what to do: See `ocdp {group} list`." in err


def test_disabling_a_workspace_leaves_its_placements_as_they_are(offered: Ocdp):
    offered("workspace", "disable", "team-a")
    document = json.loads(offered("workspace", "get", "team-a", "-o", "json")[1])
    assert [placement.get("disabled", False) for placement in document["placements"]] == [False]


def test_a_workspace_is_shown_with_its_place_and_its_templates(offered: Ocdp):
    facts = dict(line.split(maxsplit=1) for line in offered("workspace", "get", "team-a")[1].splitlines())
    assert facts == {
        "workspace": "team-a",
        "customer": "acme",
        "state": "enabled",
        "placement": "cluster local, namespace ns-a, enabled",
        "templates": "code-server",
    }
    assert "team-a (namespace ns-a)" in offered("cluster", "get", "local")[1]


def test_bindings_of_users_and_groups_are_shown_by_whom_they_name(offered: Ocdp):
    for subject in ("user", "group"):
        document = {"kind": "AccessBinding", "template": "code-server", subject: "same-name"}
        offered("binding", "apply", "-f", "-", documents=[document])
    offered("binding", "disable", "code-server", "--user", "same-name")
    assert "disabled" in offered("binding", "get", "code-server", "--user", "same-name")[1]
    assert "enabled" in offered("binding", "get", "code-server", "--group", "same-name")[1]
    assert len(offered("binding", "history", "code-server", "--user", "same-name")[1].splitlines()) == 3
    assert len(offered("binding", "history", "code-server", "--group", "same-name")[1].splitlines()) == 2


def test_a_binding_is_found_by_exactly_one_subject(offered: Ocdp):
    assert offered("binding", "get", "code-server")[0] == 2
    assert offered("binding", "get", "code-server", "--user", "a", "--group", "b")[0] == 2
