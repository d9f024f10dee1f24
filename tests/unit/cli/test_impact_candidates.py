"""Which candidate a command means: a file, or what the catalog has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.adapters.cluster import KubeClient
from ocdp_operator.cli.impact import _chosen, _live
from ocdp_operator.cli.impact_candidates import profile_candidate, template_candidate
from ocdp_operator.errors import SettingsError
from ocdp_operator.model.profile import Layer
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import PublicationError, Published, TemplateEntry
from ocdp_operator.plan.candidate import TemplateCandidate
from tests.support import builders
from tests.support.apps import template
from tests.support.builders import COMMIT

MOVED = "beefbeef" * 5
URL = "https://git.example.test/apps.git"


class Catalog:
    """Two revisions of a template and of a profile."""

    def __init__(self) -> None:
        entry = TemplateEntry.model_validate(template("web", URL))
        profile = EnvironmentProfileEntry.model_validate(profile_document())
        self._templates = [entry.model_copy(update={"published": _published(each)}) for each in (1, 2)]
        self._profiles = [profile.model_copy(update={"published": _published(each)}) for each in (1, 2)]

    async def templates(self) -> Any:
        return (self._templates[-1],)

    async def profiles(self) -> Any:
        return (self._profiles[-1],)

    async def template(self, template_id: str, revision: int | None = None) -> Any:
        assert template_id == "web"
        return self._templates[(revision or 2) - 1]

    async def profile(self, profile_id: str, revision: int | None = None) -> Any:
        assert profile_id == "east"
        return self._profiles[(revision or 2) - 1]


class Git:
    """A ref that names this commit."""

    def __init__(self, commit: str = COMMIT) -> None:
        self.commit = commit

    async def resolve_ref(self, repository_url: str, ref: str) -> str:
        assert (repository_url, ref) == (URL, "v1")
        return self.commit


def _published(revision: int) -> Published:
    return Published(revision=revision, commit=COMMIT, published_at=datetime(2026, 1, 1, tzinfo=UTC))


def profile_document(**fields: Any) -> dict[str, Any]:
    return {"kind": "EnvironmentProfile", "id": "east", "cluster": "local", "storageClass": "fast"} | fields


CATALOG = cast("CatalogRegistry", Catalog())


def written(path: Path, *documents: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


async def test_an_id_is_the_newest_revision_or_the_one_that_is_named():
    newest, said = await template_candidate(CATALOG, Git(), "web", None)
    older, _ = await template_candidate(CATALOG, Git(), "web", 1)
    assert (newest.revision.revision, newest.newest) == (2, True)
    assert (older.revision.revision, older.newest) == (1, False)
    assert said == f"template web revision 2, v1 at commit {COMMIT[:12]}"


async def test_a_file_whose_ref_moved_is_the_next_revision_at_its_commit(tmp_path: Path):
    file = written(tmp_path / "web.yaml", template("web", URL))
    found, said = await template_candidate(CATALOG, Git(MOVED), file, None)
    assert (found.revision.revision, found.revision.source.commit) == (3, MOVED)
    assert said == f"template web, not published, v1 at commit {MOVED[:12]}"


async def test_a_file_that_says_what_is_published_is_that_revision(tmp_path: Path):
    file = written(tmp_path / "web.yaml", template("web", URL))
    found, said = await template_candidate(CATALOG, Git(), file, None)
    assert (found.revision.revision, found.newest) == (2, True)
    assert "revision 2" in said


async def test_a_template_that_the_catalog_does_not_have_is_its_first_revision(tmp_path: Path):
    file = written(tmp_path / "new.yaml", template("new", URL))
    found, _ = await template_candidate(CATALOG, Git(), file, None)
    assert (found.revision.template_id, found.revision.revision) == ("new", 1)


async def test_a_profile_that_says_something_else_is_the_next_revision(tmp_path: Path):
    file = written(tmp_path / "east.yaml", profile_document(storageClass="slow"))
    found, said = await profile_candidate(CATALOG, Git(), file, None)
    assert (found.revision.ref.revision, found.revision.layer, found.subject) == (3, Layer.CLUSTER, "local")
    assert found.revision.body["storageClass"] == "slow"
    assert said == "profile east, not published, of cluster local"


async def test_a_profile_that_says_what_is_published_is_that_revision(tmp_path: Path):
    file = written(tmp_path / "east.yaml", profile_document())
    found, _ = await profile_candidate(CATALOG, Git(), file, None)
    assert found.revision.ref.revision == 2
    older, said = await profile_candidate(CATALOG, Git(), "east", 1)
    assert (older.newest, said) == (False, "profile east revision 1, of cluster local")


WRONG: dict[str, tuple[list[dict[str, Any]], int | None, type[Exception], str]] = {
    "two documents": ([template("web", URL), template("other", URL)], None, PublicationError, "2 documents"),
    "a revision of a file": ([template("web", URL)], 1, SettingsError, "--revision"),
    "another kind": ([profile_document()], None, PublicationError, "ocdp profile apply"),
}


@pytest.mark.parametrize(("documents", "revision", "error", "said"), WRONG.values(), ids=WRONG.keys())
async def test_what_is_no_candidate_is_refused(
    tmp_path: Path,
    documents: list[dict[str, Any]],
    revision: int | None,
    error: type[Exception],
    said: str,
):
    file = written(tmp_path / "given.yaml", *documents)
    with pytest.raises(error, match=said):
        await template_candidate(CATALOG, Git(), file, revision)


async def test_a_file_that_is_not_there_is_no_id(tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot be read"):
        await template_candidate(CATALOG, Git(), str(tmp_path / "absent.yaml"), None)


def test_namespaces_and_all_of_them_exclude_each_other():
    assert _chosen(["a", "b", "a"], everywhere=False) == ("a", "b")
    assert _chosen(None, everywhere=True) == ()
    with pytest.raises(SettingsError, match="one of both"):
        _chosen(["a"], everywhere=True)


async def test_an_unreadable_claim_of_another_template_is_no_refusal(monkeypatch: pytest.MonkeyPatch):
    def unreadable(name: str, template_id: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "namespace": "n"}, "spec": {"templateId": template_id}}

    async def found(*_: object) -> Any:
        return iter([unreadable("ours", "web"), unreadable("other", "another")])

    monkeypatch.setattr("ocdp_operator.cli.impact._raw", found)
    live = await _live(
        cast("KubeClient", None), (), TemplateCandidate(builders.template(1, template_id="web"))
    )
    assert [each.claim.name for each in live.unread] == ["ours"]
    assert live.others == 1
