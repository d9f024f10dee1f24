"""Publishing against a real Git server, kustomize and PostgreSQL: what is proven, and what is refused with its place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.binaries import Binaries
from tests.support.apps import Files, app_files, deployment, document, template
from tests.support.broken_templates import BROKEN, CONFIG, Document, with_mapping
from tests.support.desk import Desk


@pytest.fixture
async def desk(
    tmp_path: Path,
    catalog_dsn: str,
    binaries: Binaries,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Desk]:
    """With the thin application committed."""
    async with Desk.at(
        tmp_path, dsn=catalog_dsn, kustomize=binaries.kustomize, monkeypatch=monkeypatch, capsys=capsys
    ) as desk:
        await desk.commit(app_files())
        yield desk


def web(desk: Desk, **changes: Any) -> Document:
    return template("web", desk.url, **changes)


@pytest.mark.parametrize(("breaking", "says"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_template_is_refused_with_its_place(
    desk: Desk, breaking: Callable[[Document], Document], says: str
):
    said = await desk.publish(breaking(web(desk)))

    assert said.code == 1
    assert says in said.err, said.err
    assert said.out == ""
    assert await desk.revisions("web") == []


def _privileged(files: Files) -> Files:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"] = True
    return files | {"web/base/deployment.yaml": document(body)}


BAD_BASES: dict[str, tuple[Callable[[Files], Files], str]] = {
    "policy refuses": (
        _privileged,
        "Deployment/example-web spec.template.spec.containers[web].securityContext.privileged: must not be true",
    ),
    "kustomize cannot build": (
        lambda files: files | {"web/base/service.yaml": b"kind: [Service"},
        "in File: service.yaml",
    ),
    "that is not there": (
        lambda files: {path.replace("web/base", "web/elsewhere"): data for path, data in files.items()},
        "template web, web/base, which the template names, does not exist as a directory in the commit",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), BAD_BASES.values(), ids=BAD_BASES.keys())
async def test_a_base_that_no_claim_could_have_is_refused(
    desk: Desk, spoil: Callable[[Files], Files], says: str
):
    await desk.commit(spoil(app_files()))

    said = await desk.publish(web(desk))

    assert said.code == 1
    assert says in said.err, said.err
    assert await desk.revisions("web") == []


async def test_a_template_is_proven_before_it_is_published(desk: Desk):
    said = await desk.publish(web(desk))

    assert said.code == 0, said.err
    first, second = said.out.splitlines()
    assert first.startswith("template web published: revision 1, v1 at commit")
    assert second.startswith("template web proven by ")
    shown = await desk.ocdp("template", "get", "web", "-o", "yaml")
    assert yaml.safe_load(shown.out)["published"]["kustomizeVersion"].startswith("v5.")


async def test_a_dry_run_proves_and_stores_nothing(desk: Desk):
    said = await desk.publish(web(desk), options=["--dry-run"])

    assert said.code == 0, said.err
    assert said.out.startswith("template web would be published: revision 1, v1 at commit")
    assert await desk.revisions("web") == []


async def test_what_is_published_already_is_not_proven_again(desk: Desk):
    await desk.publish(web(desk))

    said = await desk.publish(web(desk))

    assert said.out == "template web unchanged: revision 1 already says this\n"


async def test_a_breaking_change_is_named_and_needs_a_flag(desk: Desk):
    await desk.publish(web(desk))
    narrower = web(desk)
    narrower["schema"]["properties"]["storageGi"] |= {"minimum": 5, "default": 5}

    said = await desk.publish(narrower)
    assert said.code == 1
    assert "template web, breaks claims, /storageGi: minimum raised from 1 to 5" in said.err
    assert "--allow-breaking" in said.err
    assert await desk.revisions("web") == [1]
    tried = await desk.publish(narrower, options=["--dry-run", "--allow-breaking"])
    assert "breaks: /storageGi: minimum raised from 1 to 5" in tried.out

    done = await desk.publish(narrower, options=["--allow-breaking"])
    assert done.code == 0
    assert "breaks: /storageGi: minimum raised from 1 to 5" in done.out
    assert await desk.revisions("web") == [2, 1]


async def test_of_several_templates_all_are_published_or_none(desk: Desk):
    other = template("other", desk.url, examples=[{"storageGi": 0}])

    said = await desk.publish(web(desk), other)

    assert said.code == 1
    assert "template other, spec.values does not fit" in said.err
    assert await desk.revisions("web") == []


async def test_a_template_is_refreshed_when_its_ref_has_moved(desk: Desk):
    await desk.publish(web(desk))
    assert "unchanged" in (await desk.ocdp("template", "refresh", "web")).out
    moved = await desk.commit({**app_files(), "web/notes.txt": b"new"})

    said = await desk.ocdp("template", "refresh", "--all")

    assert f"revision 2, v1 at commit {moved[:12]}" in said.out
    assert await desk.revisions("web") == [2, 1]


async def test_a_ref_that_moved_to_what_cannot_be_proven_is_not_refreshed(desk: Desk):
    await desk.publish(web(desk))
    await desk.commit(_privileged(app_files()))

    said = await desk.ocdp("template", "refresh", "web")

    assert said.code == 1
    assert await desk.revisions("web") == [1]


async def test_refresh_wants_to_know_what(desk: Desk):
    assert (await desk.ocdp("template", "refresh")).code == 2


async def test_a_disabled_template_is_left_out_of_a_refresh_of_all(desk: Desk):
    await desk.publish(web(desk))
    assert (await desk.ocdp("template", "disable", "web")).out.startswith("template web changed")
    await desk.commit({**app_files(), "web/notes.txt": b"new"})

    await desk.ocdp("template", "refresh", "--all")

    assert await desk.revisions("web") == [1]
    listed = await desk.ocdp("template", "list")
    assert "disabled" in listed.out
    assert (await desk.ocdp("template", "enable", "web")).out.startswith("template web changed")
    assert "enabled" in (await desk.ocdp("template", "list")).out


async def test_a_profile_is_proven_against_where_one_is_given(desk: Desk, tmp_path: Path):
    hub = with_mapping(web(desk), from_="profile.parameters.hub", config_file=CONFIG)
    profile = {"kind": "EnvironmentProfile", "id": "site", "cluster": "local"}
    (tmp_path / "with.yaml").write_text(yaml.safe_dump(profile | {"parameters": {"hub": "hub.example.test"}}))
    (tmp_path / "without.yaml").write_text(yaml.safe_dump(profile | {"storageClass": "fast"}))

    said = await desk.publish(hub, options=["--profile", str(tmp_path / "without.yaml")])
    assert said.code == 1
    assert "profile.parameters.hub" in said.err
    assert (await desk.publish(hub, options=["--profile", str(tmp_path / "with.yaml")])).code == 0


@pytest.mark.parametrize("program", ["git", "kustomize"])
async def test_a_missing_program_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch, program: str):
    monkeypatch.setenv(f"OCDP_{program.upper()}", f"/nowhere/{program}")

    said = await desk.publish(web(desk))

    assert said.code == 2
    assert f"/nowhere/{program}" in said.err
