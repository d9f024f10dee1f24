from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.support.apps import app_files, document
from tests.support.fakes_sources import FakeTree, Link, Module

from ocdp_operator.adapters.git.closure import check_root, closure
from ocdp_operator.adapters.git.limits import SourceLimits
from ocdp_operator.errors import Reason, Stalled

BASE, GUARDED = "web/base", "web/components/guarded"
LIMITS = SourceLimits()

Files = dict[str, Any]


def exported(files: Mapping[str, Any], *roots: str, limits: SourceLimits = LIMITS) -> Mapping[str, bytes]:
    return closure(FakeTree(files), roots or (BASE,), limits)


def refusal(files: Mapping[str, Any], *roots: str, limits: SourceLimits = LIMITS) -> Stalled:
    with pytest.raises(Stalled) as error:
        exported(files, *roots, limits=limits)
    return error.value


def with_base(**fields: Any) -> Files:
    return {**app_files(), f"{BASE}/kustomization.yaml": document(fields)}


def test_only_what_the_roots_reach_is_exported():
    everything = {**app_files(), "secrets/key.pem": b"x", "web/other.yaml": b"x", "link": Link("/etc/passwd")}
    assert sorted(exported(everything)) == sorted(path for path in app_files() if path.startswith(BASE))
    assert sorted(exported(everything, BASE, GUARDED)) == sorted(app_files())


def test_files_come_as_they_are_and_kustomizations_as_they_were_understood():
    files = exported(app_files())
    assert files[f"{BASE}/deployment.yaml"] == app_files()[f"{BASE}/deployment.yaml"]
    assert orjson.loads(files[f"{BASE}/kustomization.yaml"])["resources"][0] == "deployment.yaml"


def test_directories_are_followed_and_a_circle_ends():
    files = {
        "a/kustomization.yaml": document({"resources": ["../b", "../c/x.yaml"]}),
        "b/Kustomization": document({"resources": ["../a"], "components": ["../d"]}),
        "c/x.yaml": b"kind: X",
        "d/kustomization.yml": document({"kind": "Component", "patches": [{"path": "p.yaml"}]}),
        "d/p.yaml": b"p",
    }
    assert sorted(exported(files, "a")) == sorted(files)


def test_a_chain_longer_than_pythons_stack_is_followed():
    chain = {f"d{i}/kustomization.yaml": document({"resources": [f"../d{i + 1}"]}) for i in range(1100)}
    files = {**chain, "d1100/kustomization.yaml": document({"resources": []})}
    assert len(exported(files, "d0")) == 1101


INSIDE = {
    "a symbolic link": ({f"{BASE}/service.yaml": Link("/etc/passwd")}, f"{BASE}/service.yaml"),
    "a relative link": ({f"{BASE}/service.yaml": Link("deployment.yaml")}, f"{BASE}/service.yaml"),
    "a link as a directory": ({"web": Link("other")}, "web"),
    "a link as the kustomization": ({f"{BASE}/kustomization.yaml": Link("x")}, f"{BASE}/kustomization.yaml"),
    "a submodule": ({f"{BASE}/service.yaml": Module("1" * 40)}, f"{BASE}/service.yaml"),
    "a submodule as a directory": ({BASE: Module("1" * 40)}, BASE),
}


@pytest.mark.parametrize(("changed", "named"), INSIDE.values(), ids=INSIDE.keys())
def test_a_link_or_submodule_is_refused_by_name(changed: Files, named: str):
    ((place, _),) = changed.items()
    files = {path: content for path, content in app_files().items() if not f"{path}/".startswith(f"{place}/")}
    error = refusal({**files, **changed})
    assert error.reason is Reason.UNSAFE_BUILD
    assert named in error.message


MISSING = {
    "a resource": (with_base(resources=["nothing.yaml"]), "resources[0]"),
    "a component": (with_base(components=["../nothing"]), "components[0]"),
    "a component that is a file": (with_base(components=["service.yaml"]), "components[0]"),
    "a patch that is a directory": (with_base(patches=[{"path": "../base"}]), "patches[0].path"),
    "a path below a file": (with_base(resources=["service.yaml/x"]), "resources[0]"),
    "a directory without a kustomization": (with_base(resources=["../.."]), "resources[0]"),
}


@pytest.mark.parametrize(("files", "field"), MISSING.values(), ids=MISSING.keys())
def test_what_is_not_there_is_named_with_who_names_it(files: Files, field: str):
    error = refusal(files)
    assert error.reason is Reason.INVALID_PATH
    assert f"{BASE}/kustomization.yaml ({field})" in error.message


@pytest.mark.parametrize("root", ["web/nowhere", "web", "web/base/service.yaml"], ids=str)
def test_a_root_must_be_a_directory_with_a_kustomization(root: str):
    error = refusal(app_files(), root)
    assert error.reason is Reason.INVALID_PATH
    assert root in error.message


def test_two_kustomizations_in_one_directory_are_refused():
    error = refusal({**app_files(), f"{BASE}/Kustomization": b"{}"})
    assert error.reason is Reason.UNSAFE_BUILD


def test_a_kustomization_named_as_a_file_is_refused():
    error = refusal(with_base(resources=["../components/guarded/kustomization.yaml"]))
    assert error.reason is Reason.UNSAFE_BUILD


BAD_ROOTS = [
    "",
    ".",
    "..",
    "../x",
    "/etc",
    "a/../../b",
    "a/./b",
    "a//b",
    "a/",
    "a\\b",
    "a\0",
    "a\n",
    "a" * 300,
]


@pytest.mark.parametrize("path", BAD_ROOTS, ids=repr)
def test_a_root_is_a_plain_relative_path(path: str):
    with pytest.raises(Stalled) as error:
        check_root(path)
    assert error.value.reason is Reason.INVALID_PATH
    assert error.value.message.isprintable()


def test_a_sibling_whose_name_begins_alike_is_not_the_root():
    files = {**app_files(), "web/base-evil/kustomization.yaml": document({"resources": []})}
    assert not [path for path in exported(files) if "evil" in path]


TOO_LARGE = {
    "one file": (replace(LIMITS, file_bytes=500), f"{BASE}/deployment.yaml"),
    "all files": (replace(LIMITS, total_bytes=2000), "2000 bytes"),
    "how many": (replace(LIMITS, files=3), "3 files"),
    "how deep": (replace(LIMITS, depth=1), "1 directories"),
}


@pytest.mark.parametrize(("limits", "why"), TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_what_is_too_large_is_refused_before_it_is_read(limits: SourceLimits, why: str):
    error = refusal(app_files(), limits=limits)
    assert error.reason is Reason.SOURCE_TOO_LARGE
    assert why in error.message
