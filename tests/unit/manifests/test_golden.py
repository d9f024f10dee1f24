"""Golden files: the same objects, the same text; and what is said of others."""

from __future__ import annotations

from pathlib import Path

import yaml

from ocdp_operator.manifests import golden
from ocdp_operator.model.objects import Manifest
from tests.support.builders import manifest

SETTINGS = manifest("ConfigMap", "b", data={"config.yaml": "a: 1\nb: 2\n"})
ACCOUNT = manifest("ServiceAccount", "a")


def rendered(*manifests: Manifest) -> dict[str, tuple[Manifest, ...]]:
    return {"web-site": manifests}


def test_the_order_of_objects_and_fields_does_not_matter():
    turned = Manifest.of(dict(reversed(list(SETTINGS.body.items()))))
    assert golden.text((SETTINGS, ACCOUNT)) == golden.text((ACCOUNT, turned))


def test_the_text_is_what_was_rendered():
    read = list(yaml.safe_load_all(golden.text((ACCOUNT, SETTINGS))))
    assert read == [SETTINGS.body, ACCOUNT.body]


def test_a_file_in_a_config_map_is_readable():
    assert "  config.yaml: |\n    a: 1\n    b: 2\n" in golden.text((SETTINGS,))


def test_what_was_written_is_found_unchanged(tmp_path: Path):
    overlays = frozenset({"web-site"})
    assert golden.write(tmp_path, rendered(SETTINGS), overlays) == ("web-site.yaml",)
    assert list(golden.problems(tmp_path, rendered(SETTINGS), overlays)) == []
    assert golden.write(tmp_path, rendered(SETTINGS), overlays) == ()


def test_a_long_difference_is_cut_and_counted(tmp_path: Path):
    golden.write(tmp_path, rendered(SETTINGS), frozenset({"web-site"}))
    many = manifest("ConfigMap", "b", data={f"key-{number:03}": "x" for number in range(100)})
    (problem,) = golden.problems(tmp_path, rendered(many), frozenset({"web-site"}))
    assert len(problem.detail) == 41
    assert problem.detail[-1].endswith(" more lines")


def test_an_overlay_that_could_not_be_built_keeps_its_file(tmp_path: Path):
    overlays = frozenset({"web-site"})
    golden.write(tmp_path, rendered(SETTINGS), overlays)
    assert golden.write(tmp_path, {}, overlays) == ()
    assert list(golden.problems(tmp_path, {}, overlays)) == []


def test_the_command_that_renews_is_one_that_is_there(tmp_path: Path):
    assert golden.renewal(tmp_path) == "ocdp manifests validate --write-golden"
    (tmp_path / "Makefile").touch()
    assert golden.renewal(tmp_path) == "make validate ARGS=--write-golden"
