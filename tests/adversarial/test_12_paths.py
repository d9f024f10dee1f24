"""Row 12: paths that lead out. Each is refused by name, and nothing outside is ever read."""

from __future__ import annotations

import psycopg
import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, document, template
from tests.support.hostile import Case, Crowd, codes, messages, with_base, write_rows
from tests.support.world import Team

CANARY = "canary-of-another-place"
OUTSIDE = [
    "../x",
    "/etc",
    "web/../../b",
    "web/./base",
    "web//base",
    "web/base/",
    "..",
    ".",
    "",
    "-web",
    "a\\b",
    "a b",
]


def manifest(name: str) -> bytes:
    """A manifest that would show where it was read from."""
    return document(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"said": CANARY}},
            "data": {"said": CANARY},
        }
    )


async def test_12_a_path_that_leads_out_is_refused_at_publishing(team: Team):
    paths = [*OUTSIDE, "a\0b"]
    documents = []
    for number, path in enumerate(paths):
        source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": "v1", "path": path}
        documents.append(template(f"t{number}", team.repository_url, source=source))
    for number, path in enumerate(OUTSIDE):
        documents.append(template(f"c{number}", team.repository_url, components=[path], mappings=[]))
    with pytest.raises(LocalEnvironmentError) as error:
        await team.platform.ocdp("template", "apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    said = str(error.value)
    for number in range(1, len(paths) + 1):
        assert f"document {number}, source.path: " in said
    for number in range(len(paths) + 1, len(documents) + 1):
        assert f"document {number}, components[0]: " in said


async def test_12_a_path_that_leads_out_cannot_be_written_into_the_catalog_by_hand(team: Team):
    for path in ("../x", "/etc", "web/../../b", "a\\b", "a b", ".", ""):
        row = (team.repository_url, "v1", path, "1" * 40)
        with pytest.raises(psycopg.errors.CheckViolation):
            await write_rows(team, {"never": (row, {})})


BASES = {
    "a file above": ({"resources": ["../../../canary.yaml"]}, "../../../canary.yaml"),
    "a file far above": ({"resources": [f"{'../' * 20}etc/hostname"]}, "../../../"),
    "a base above": ({"resources": ["../../../"]}, "../../../"),
    "a base further above": ({"resources": ["../../../../"]}, "../../../../"),
    "in and out again": ({"resources": ["sub/../../../../canary.yaml"]}, "sub/../../../../canary.yaml"),
    "an absolute file": ({"resources": ["/etc/hostname"]}, "/etc/hostname"),
    "an absolute base": ({"resources": ["/"]}, "resources[0]"),
    "a component above": ({"components": ["../../../canary"]}, "../../../canary"),
    "a patch above": ({"patches": [{"path": "../../../canary.yaml"}]}, "../../../canary.yaml"),
    "a replacement above": ({"replacements": [{"path": "../../../canary.yaml"}]}, "../../../canary.yaml"),
    "a configuration file above": (
        {"configMapGenerator": [{"name": "web-config", "files": ["settings.yaml=../../../canary.yaml"]}]},
        "../../../canary.yaml",
    ),
    "an environment above": (
        {"configMapGenerator": [{"name": "web-config", "envs": ["../../../canary.yaml"]}]},
        "../../../canary.yaml",
    ),
    "a backslash": ({"resources": ["..\\..\\canary.yaml"]}, "resources[0]"),
    "NUL": ({"resources": ["canary.yaml\0"]}, "resources[0]"),
}


async def test_12_nothing_outside_is_read_whatever_a_base_or_a_row_says(new_team, operator: OperatorProcess):
    team: Team = await new_team("paths")
    # What a path could reach: the operator's own directories, and whatever lies beside an artifact.
    work = operator.log.parent / "work"
    for place in (work, work / "git", work / "git/artifacts", work / "renders"):
        (place / "canary.yaml").write_bytes(manifest("outside"))
        (place / "canary").mkdir(exist_ok=True)
        (place / "canary/kustomization.yaml").write_bytes(
            document({"kind": "Component", "apiVersion": "kustomize.config.k8s.io/v1alpha1"})
        )
    beside = {
        "web/base-evil/canary.yaml": manifest("beside"),
        "web/base-evil/kustomization.yaml": document({"resources": ["canary.yaml"]}),
    }
    cases = {name: Case(with_base(**changes)) for name, (changes, _) in BASES.items()}
    cases["a file in a directory whose name begins like the base's"] = Case(
        with_base(resources=["../base-evil/canary.yaml"]) | beside
    )
    rows = ["../x", "/etc", "web/../../b", "web/base/../../../../canary", "-web", "a\\b", "web/nowhere"]
    for path in rows:
        body = {
            "components": [path],
            "mappings": [{"from": "values.guarded", "components": {"yes": path, "no": None}}],
        }
        cases[f"the component {path}"] = Case(app_files(), values={"guarded": "yes"}, body=body)
    crowd = await Crowd.of(team, cases)
    found = await crowd.settled()
    assert codes(found) == {
        **dict.fromkeys(BASES, "UnsafeBuild"),
        "a file in a directory whose name begins like the base's": "BuildFailed",
        **{f"the component {path}": "InvalidPath" for path in rows},
    }
    said = messages(found)
    assert {name: said[name] for name, (_, path) in BASES.items() if path not in said[name]} == {}
    assert {path: said[name] for path in rows if path not in said[name := f"the component {path}"]} == {}
    assert "base-evil" in said["a file in a directory whose name begins like the base's"]
    assert await crowd.refused() == set()
    everything = await crowd.everything_said(operator)
    assert CANARY not in everything
    assert str(work) not in everything
