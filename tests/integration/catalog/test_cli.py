"""The platform team's commands against a real PostgreSQL, Git server and kustomize."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.binaries import Binaries
from tests.support.apps import app_files
from tests.support.catalog_entries import template_document
from tests.support.desk import Desk, Said

Ocdp = Callable[..., Awaitable[Said]]
REF = "code-server-v0.1.0"


@pytest.fixture
async def desk(
    tmp_path: Path,
    catalog_dsn: str,
    binaries: Binaries,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Desk]:
    async with Desk.at(
        tmp_path, dsn=catalog_dsn, kustomize=binaries.kustomize, monkeypatch=monkeypatch, capsys=capsys
    ) as desk:
        yield desk


@pytest.fixture
async def commit(desk: Desk) -> str:
    """What the template's ref names: a base and a component where it says."""
    return await desk.commit(_files(), tag=REF)


def _files() -> dict[str, bytes]:
    moved = (
        ("web/base/", "apps/code-server/base/"),
        ("web/components/guarded/", "apps/code-server/components/ingress/"),
    )
    return {
        path.replace(old, new): data
        for path, data in app_files().items()
        for old, new in moved
        if path.startswith(old)
    }


@pytest.fixture
def ocdp(desk: Desk, commit: str) -> Ocdp:
    """Runs ``ocdp`` with documents on standard input; gives its code and what it printed."""
    return desk.ocdp


def editor(desk: Desk, template_id: str = "code-server", *, ref: str = REF, **changes: Any) -> dict[str, Any]:
    """The template, of the desk's repository."""
    source = {"type": "gitKustomize", "repositoryUrl": desk.url, "ref": ref, "path": "apps/code-server/base"}
    return template_document(template_id, source=source, **changes)


@pytest.fixture
async def offered(ocdp: Ocdp, desk: Desk) -> Ocdp:
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
        ("template", editor(desk, title="Editor", description="VS Code in a browser.")),
        ("binding", {"kind": "AccessBinding", "template": "code-server", "workspace": "team-a"}),
    ):
        code, _, err = await ocdp(command, "apply", "-f", "-", documents=[document])
        assert (code, err) == (0, "")
    return ocdp


async def test_publishing_tells_the_revision_and_its_commit(ocdp: Ocdp, desk: Desk, commit: str):
    code, out, _ = await ocdp("template", "apply", "-f", "-", documents=[editor(desk)])
    assert code == 0
    first, second = out.splitlines()
    assert first == f"template code-server published: revision 1, code-server-v0.1.0 at commit {commit[:12]}"
    assert second.startswith("template code-server proven by ")


async def test_publishing_the_same_again_tells_that_there_is_nothing_new(offered: Ocdp, desk: Desk):
    document = editor(desk, title="Editor", description="VS Code in a browser.")
    _, out, _ = await offered("template", "apply", "-f", "-", documents=[document])
    assert out == "template code-server unchanged: revision 1 already says this\n"


async def test_a_ref_that_moved_is_a_new_revision(offered: Ocdp, desk: Desk):
    await desk.commit({**_files(), "notes": b"new"}, tag=REF)
    _, out, _ = await offered("template", "apply", "-f", "-", documents=[editor(desk)])
    assert "revision 2" in out


async def test_a_ref_that_is_not_there_publishes_nothing(ocdp: Ocdp, desk: Desk):
    documents = [editor(desk, "good"), editor(desk, "bad", ref="v9")]
    code, out, err = await ocdp("template", "apply", "-f", "-", documents=documents)
    assert (code, out) == (1, "")
    assert err.startswith("error: Template bad, ref v9: The repository ")
    assert "what to do: Publish the template with a ref" in err
    assert json.loads((await ocdp("template", "list", "-o", "json"))[1]) == []


async def test_templates_are_listed_for_people(offered: Ocdp, commit: str):
    _, out, _ = await offered("template", "list")
    header, row = out.splitlines()
    assert header.split() == ["TEMPLATE", "REVISION", "REF", "COMMIT", "PUBLISHED", "STATE", "TITLE"]
    assert row.split()[:4] == ["code-server", "1", "code-server-v0.1.0", commit[:12]]
    assert row.endswith("enabled  Editor")


async def test_all_revisions_of_a_template_are_listed_newest_first(offered: Ocdp, desk: Desk):
    await desk.commit({**_files(), "notes": b"new"}, tag=REF)
    await offered("template", "apply", "-f", "-", documents=[editor(desk)])
    _, out, _ = await offered("template", "list", "code-server")
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["2", "1"]


async def test_a_template_is_shown_with_the_values_that_it_takes(offered: Ocdp, commit: str):
    _, out, _ = await offered("template", "get", "code-server")
    lines = [line.split() for line in out.splitlines()]
    assert ["exposure", "clusterip", "|", "ingress", '"clusterip"', "Description."] in lines
    assert ["storageGi", "integer", "1..", "10", "Description."] in lines
    assert any(commit in line for line in lines)


async def test_a_template_that_was_shown_as_yaml_can_be_applied_again(offered: Ocdp, commit: str):
    _, shown, _ = await offered("template", "get", "code-server", "-o", "yaml")
    assert yaml.safe_load(shown)["published"]["commit"] == commit
    _, out, _ = await offered("template", "apply", "-f", "-", documents=[yaml.safe_load(shown)])
    assert out == "template code-server unchanged: revision 1 already says this\n"


async def test_an_unknown_template_is_told_with_a_remedy(offered: Ocdp):
    code, _, err = await offered("template", "get", "nothing")
    assert code == 1
    assert err == "error: There is no template nothing.\nwhat to do: See `ocdp template list`.\n"


async def test_a_workspace_is_printed_for_kubectl(offered: Ocdp):
    _, out, _ = await offered(
        "workspace", "manifest", "team-a", "--cluster", "local", "--operator-account", "robot"
    )
    namespace, role_binding = yaml.safe_load_all(out)
    assert namespace["metadata"]["name"] == "ns-a"
    assert role_binding["subjects"][0]["name"] == "robot"


async def test_a_workspace_that_is_not_placed_has_no_manifest(offered: Ocdp):
    code, out, err = await offered("workspace", "manifest", "team-a", "--cluster", "far")
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
async def test_the_rest_of_the_catalog_is_listed(offered: Ocdp, command: str, row: list[str]):
    _, out, _ = await offered(command, "list")
    assert [line.split() for line in out.splitlines()[1:]] == [row]
    documents = list(yaml.safe_load_all((await offered(command, "list", "-o", "yaml"))[1]))
    _, out, _ = await offered(command, "apply", "-f", "-", documents=documents)
    assert all("unchanged" in line for line in out.splitlines())


async def test_an_offer_is_taken_back_by_disabling_it(offered: Ocdp):
    document = {"kind": "AccessBinding", "template": "code-server", "workspace": "team-a", "disabled": True}
    assert "changed" in (await offered("binding", "apply", "-f", "-", documents=[document]))[1]
    assert "disabled" in (await offered("binding", "list"))[1]


async def test_a_binding_of_a_user_is_stored_like_any_other(offered: Ocdp):
    document = {"kind": "AccessBinding", "template": "code-server", "user": "ada"}
    _, out, _ = await offered("binding", "apply", "-f", "-", documents=[document])
    assert out == "binding of code-server to user ada created\n"


async def test_migrating_again_and_granting_are_told(offered: Ocdp):
    assert "already" in (await offered("catalog", "migrate"))[1]
    assert (
        "may read the catalog, and nothing more"
        in (await offered("catalog", "grant", "--role", "ocdp_operator"))[1]
    )
    code, _, err = await offered("catalog", "grant", "--role", "postgres")
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
async def test_an_entry_is_disabled_and_enabled_again(
    offered: Ocdp, group: tuple[str], name: tuple[str, ...], said: str
):
    assert await offered(*group, "disable", *name) == (0, f"{said} changed: disabled\n", "")
    assert await offered(*group, "disable", *name) == (0, f"{said} unchanged: disabled\n", "")
    assert "disabled" in (await offered(*group, "get", *name))[1]
    assert "disabled" in (await offered(*group, "history", *name))[1]
    assert await offered(*group, "enable", *name) == (0, f"{said} changed: enabled\n", "")
    assert "enabled" in (await offered(*group, "get", *name))[1]


@pytest.mark.parametrize(("group", "name", "said"), ENTRIES)
async def test_an_entry_that_is_got_can_be_applied_again(
    offered: Ocdp, group: tuple[str], name: tuple[str, ...], said: str
):
    document = json.loads((await offered(*group, "get", *name, "-o", "json"))[1])
    code, out, _ = await offered(*group, "apply", "-f", "-", documents=[document])
    assert (code, out.splitlines()[0]) == (0, f"{said} unchanged")


@pytest.mark.parametrize("verb", ["get", "history", "disable", "enable"])
@pytest.mark.parametrize(
    ("group", "name"),
    [("cluster", ("x",)), ("workspace", ("x",)), ("binding", ("code-server", "--user", "alice"))],
    ids=["cluster", "workspace", "binding"],
)
async def test_an_entry_that_is_not_there_is_named(
    offered: Ocdp, verb: str, group: str, name: tuple[str, ...]
):
    code, out, err = await offered(group, verb, *name)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: There is no {group} ")
    assert f"what to do: See `ocdp {group} list`." in err


async def test_disabling_a_workspace_leaves_its_placements_as_they_are(offered: Ocdp):
    await offered("workspace", "disable", "team-a")
    document = json.loads((await offered("workspace", "get", "team-a", "-o", "json"))[1])
    assert [placement.get("disabled", False) for placement in document["placements"]] == [False]


async def test_a_workspace_is_shown_with_its_place_and_its_templates(offered: Ocdp):
    facts = dict(
        line.split(maxsplit=1) for line in (await offered("workspace", "get", "team-a"))[1].splitlines()
    )
    assert facts == {
        "workspace": "team-a",
        "customer": "acme",
        "state": "enabled",
        "placement": "cluster local, namespace ns-a, enabled",
        "templates": "code-server",
    }
    assert "team-a (namespace ns-a)" in (await offered("cluster", "get", "local"))[1]


async def test_bindings_of_users_and_groups_are_shown_by_whom_they_name(offered: Ocdp):
    for subject in ("user", "group"):
        document = {"kind": "AccessBinding", "template": "code-server", subject: "same-name"}
        await offered("binding", "apply", "-f", "-", documents=[document])
    await offered("binding", "disable", "code-server", "--user", "same-name")
    assert "disabled" in (await offered("binding", "get", "code-server", "--user", "same-name"))[1]
    assert "enabled" in (await offered("binding", "get", "code-server", "--group", "same-name"))[1]
    assert (
        len((await offered("binding", "history", "code-server", "--user", "same-name"))[1].splitlines()) == 3
    )
    assert (
        len((await offered("binding", "history", "code-server", "--group", "same-name"))[1].splitlines()) == 2
    )


async def test_a_binding_is_found_by_exactly_one_subject(offered: Ocdp):
    assert (await offered("binding", "get", "code-server"))[0] == 2
    assert (await offered("binding", "get", "code-server", "--user", "a", "--group", "b"))[0] == 2
