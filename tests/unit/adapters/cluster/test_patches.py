"""Merge patches are minimal and right; disowning names positions that still hold when their turn comes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.cluster_worlds import config_map, deployment
from tests.support.field_ownership import applied, json_merged, merged, remove_at, updated

from ocdp_operator.adapters.cluster.patches import disowning_patch, merge_patch
from ocdp_operator.model.kinds import CONFIG_MAP, DEPLOYMENT
from ocdp_operator.model.objects import Observed

SCALARS = st.one_of(st.booleans(), st.integers(-3, 3), st.text(max_size=3))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


class TestMergePatch:
    @given(old=OBJECTS, new=OBJECTS)
    def test_patched_old_is_new(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        assert json_merged(old, merge_patch(old, new)) == new

    @given(value=OBJECTS)
    def test_equal_values_need_no_patch(self, value: dict[str, Any]) -> None:
        assert merge_patch(value, deepcopy(value)) == {}

    @pytest.mark.parametrize(
        ("old", "new", "patch"),
        [
            pytest.param({"a": 1}, {"a": 2}, {"a": 2}, id="changed"),
            pytest.param({"a": 1}, {}, {"a": None}, id="removed"),
            pytest.param({}, {"a": {"b": 1}}, {"a": {"b": 1}}, id="added"),
            pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}, id="removed below"),
            pytest.param({"a": [1, 2]}, {"a": [1]}, {"a": [1]}, id="list as a whole"),
            pytest.param({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}, id="emptied"),
            pytest.param({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b": 3}, id="only what differs"),
        ],
    )
    def test_patch_holds_what_differs(
        self, old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]
    ) -> None:
        assert merge_patch(old, new) == patch


def live(raw: dict[str, Any]) -> dict[str, Any]:
    return raw | {"metadata": raw["metadata"] | {"uid": "1", "resourceVersion": "7", "namespace": "a"}}


def patched(raw: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    result = deepcopy(raw)
    for operation in patch[1:]:
        assert operation["op"] == "remove"
        remove_at(result, operation["path"])
    return result


class TestDisowningPatch:
    def test_own_object_needs_none(self) -> None:
        raw = live(applied(None, deployment()))
        assert disowning_patch(raw, Observed.of(DEPLOYMENT, raw)) == []

    def test_it_holds_for_this_version_alone(self) -> None:
        raw = live(applied(config_map(a="1"), config_map(a="1")))
        patch = disowning_patch(raw, Observed.of(CONFIG_MAP, raw))
        assert patch[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
        assert [operation["op"] for operation in patch] == ["test", "remove"]

    @given(
        containers=st.lists(st.sampled_from("pqrst"), unique=True, max_size=4),
        inits=st.lists(st.sampled_from("uvw"), unique=True, max_size=3),
        volumes=st.lists(st.sampled_from("xyz"), unique=True, max_size=3),
        first=st.booleans(),
    )
    def test_what_is_left_is_what_was_sent(
        self, containers: list[str], inits: list[str], volumes: list[str], first: bool
    ) -> None:
        own = deployment(
            volumes=[{"name": "own", "emptyDir": {}}], initContainers=[{"name": "init", "image": "i"}]
        )
        own["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [
            {"name": "own", "mountPath": "/own"}
        ]
        sent = applied(None, own)
        foreign = {
            "containers": [{"name": name, "image": name} for name in containers],
            "initContainers": [{"name": name, "image": name} for name in inits],
            "volumes": [{"name": name, "emptyDir": {}} for name in volumes],
        }
        mounts = [{"name": name, "mountPath": f"/{name}"} for name in volumes]
        theirs = merged(sent, {"spec": {"template": {"spec": foreign}}})
        theirs = merged(
            theirs,
            {"spec": {"template": {"spec": {"containers": [{"name": "app", "volumeMounts": mounts}]}}}},
        )
        if first:
            for part in ("containers", "initContainers", "volumes"):
                theirs["spec"]["template"]["spec"][part].reverse()
        raw = live(updated(sent, theirs, "somebody"))
        left = patched(raw, disowning_patch(raw, Observed.of(DEPLOYMENT, raw)) or [{}])
        assert left["spec"] == sent["spec"]
