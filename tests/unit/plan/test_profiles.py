"""Profiles merged: by key, null removes, sets come together, and a lock holds."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.profile import Environment, Layer, LockConflict, ProfileRef, ProfileRevision
from ocdp_operator.plan.profiles import field_of, leaves, merge, pointer_of
from tests.support.builders import profile


def environment(*bodies: dict[str, Any]) -> Environment:
    """The layers merged; the first is the cluster's."""
    return merge([profile(layer, **body) for layer, body in zip(Layer, bodies, strict=False)])


MERGED = {
    "a later scalar replaces": ([{"storageClass": "a"}, {"storageClass": "b"}], {"storageClass": "b"}),
    "what a layer leaves out stays": ([{"storageClass": "a"}, {}], {"storageClass": "a"}),
    "null removes a scalar": ([{"storageClass": "a"}, {"storageClass": None}], {}),
    "null of nothing is nothing": ([{}, {"storageClass": None}], {}),
    "maps merge by key": (
        [{"labels": {"a": "1", "b": "1"}}, {"labels": {"b": "2", "c": "2"}}],
        {"labels": {"a": "1", "b": "2", "c": "2"}},
    ),
    "null removes a key": ([{"labels": {"a": "1", "b": "1"}}, {"labels": {"a": None}}], {"labels": {"b": "1"}}),
    "null removes a whole object": ([{"ingress": {"class": "a", "domain": "b"}}, {"ingress": None}], {}),
    "what was removed can come back": (
        [{"labels": {"a": "1"}}, {"labels": {"a": None}}, {"labels": {"a": "3"}}],
        {"labels": {"a": "3"}},
    ),
    "objects merge field by field": (
        [{"ingress": {"class": "a", "annotations": {"x": "1"}}}, {"ingress": {"annotations": {"y": "2"}}}],
        {"ingress": {"class": "a", "annotations": {"x": "1", "y": "2"}}},
    ),
    "an empty object is something": ([{"ingress": {"tls": {}}}], {"ingress": {"tls": {}}}),
    "pull secrets come together by name": (
        [{"registry": {"pullSecrets": ["a", "b"]}}, {"registry": {"pullSecrets": ["b", "c"]}}],
        {"registry": {"pullSecrets": ["a", "b", "c"]}},
    ),
    "null takes all pull secrets away": (
        [{"registry": {"prefix": "r", "pullSecrets": ["a"]}}, {"registry": {"pullSecrets": None}}],
        {"registry": {"prefix": "r"}},
    ),
    "tolerations are a set": (
        [
            {"tolerations": [{"key": "a", "operator": "Exists"}]},
            {"tolerations": [{"operator": "Exists", "key": "a", "value": None}, {"key": "b", "value": "x"}]},
        ],
        {"tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "value": "x"}]},
    ),
    "another list is replaced": (
        [{"proxy": {"http": "http://p", "noProxy": ["a"]}}, {"proxy": {"noProxy": ["b"]}}],
        {"proxy": {"http": "http://p", "noProxy": ["b"]}},
    ),
    "a lock keeps a scalar": ([{"storageClass": "a", "locked": ["storageClass"]}, {"storageClass": "b"}], {"storageClass": "a"}),
    "a lock keeps from null": ([{"storageClass": "a", "locked": ["storageClass"]}, {"storageClass": None}], {"storageClass": "a"}),
    "a lock keeps what is absent absent": ([{"locked": ["proxy"]}, {"proxy": {"http": "http://p"}}], {}),
    "a lock of an object keeps all of it": (
        [{"ingress": {"class": "a"}, "locked": ["ingress"]}, {"ingress": {"domain": "b"}}],
        {"ingress": {"class": "a"}},
    ),
    "a lock of a field leaves the others": (
        [{"ingress": {"class": "a", "domain": "a"}, "locked": ["ingress.class"]}, {"ingress": {"class": "b", "domain": "b"}}],
        {"ingress": {"class": "a", "domain": "b"}},
    ),
    "null of an object keeps its locked field": (
        [{"ingress": {"class": "a", "domain": "a"}, "locked": ["ingress.class"]}, {"ingress": None}],
        {"ingress": {"class": "a"}},
    ),
    "null of an object whose locked field is absent removes it": (
        [{"ingress": {"class": "a"}, "locked": ["ingress.domain"]}, {"ingress": None}],
        {},
    ),
    "a key with dots and a slash can be locked": (
        [{"labels": {"example.test/site": "a"}, "locked": ["labels.example.test/site"]}, {"labels": {"example.test/site": "b", "example.test/sit": "b"}}],
        {"labels": {"example.test/site": "a", "example.test/sit": "b"}},
    ),
    "a locked set takes nothing more": (
        [{"tolerations": [{"key": "a"}], "locked": ["tolerations"]}, {"tolerations": [{"key": "b"}]}],
        {"tolerations": [{"key": "a"}]},
    ),
    "a later layer locks for the last": (
        [{"storageClass": "a"}, {"storageClass": "b", "locked": ["storageClass"]}, {"storageClass": "c"}],
        {"storageClass": "b"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("bodies", "expected"), MERGED.values(), ids=MERGED)
def test_layers_are_merged(bodies: list[dict[str, Any]], expected: dict[str, Any]):
    assert environment(*bodies).fields == expected


def test_every_leaf_says_who_set_it():
    merged = environment(
        {"storageClass": "a", "labels": {"x/y": "1", "z": "1"}, "registry": {"pullSecrets": ["a"]}},
        {"labels": {"x/y": "2"}, "ingress": {"tls": {}}},
        {"registry": {"pullSecrets": ["a", "b"]}, "ingress": {"class": "c"}},
    )
    assert {pointer: str(ref) for pointer, ref in merged.origins.items()} == {
        "/storageClass": "cluster-profile@1",
        "/labels/x~1y": "customer-profile@1",
        "/labels/z": "cluster-profile@1",
        "/registry/pullSecrets/0": "cluster-profile@1",
        "/registry/pullSecrets/1": "workspace-profile@1",
        "/ingress/tls": "customer-profile@1",
        "/ingress/class": "workspace-profile@1",
    }
    assert [str(ref) for ref in merged.profiles] == [f"{layer}-profile@1" for layer in Layer]


def test_what_a_lock_overrules_is_listed():
    merged = environment(
        {"ingress": {"class": "a"}, "storageClass": "a", "locked": ["ingress", "storageClass"]},
        {"ingress": {"class": "b", "domain": None}, "storageClass": "a", "locked": ["ingress"]},
        {"ingress": None},
    )
    cluster, customer, workspace = merged.profiles
    assert merged.conflicts == (
        LockConflict("/ingress/class", customer, cluster),
        LockConflict("/ingress", workspace, cluster),
    )


# The algebra, over trees of any shape: keys with every character that a path or a pointer could trip over.
_keys = st.sampled_from(["a", "b", "c.d", "e/f", "g~h"])
_scalars = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["x", "y"]))
_trees = st.recursive(_scalars, lambda below: st.dictionaries(_keys, below, max_size=3), max_leaves=8)
_bodies = st.dictionaries(_keys, _trees, max_size=4)
_paths = st.lists(_keys, min_size=1, max_size=3).map(tuple)


def revision(number: int, body: dict[str, Any], *locks: tuple[str, ...]) -> ProfileRevision:
    said = body | ({"locked": [".".join(path) for path in locks]} if locks else {})
    return ProfileRevision(ProfileRef(id=f"p{number}", revision=1), Layer.CLUSTER, said)


def revisions(bodies: list[dict[str, Any]]) -> list[ProfileRevision]:
    return [revision(number, body) for number, body in enumerate(bodies)]


def rfc_7386(target: Any, patch: Any) -> Any:
    """The merge patch of the RFC, as its pseudo code says it."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = rfc_7386(merged.get(name), value)
    return merged


@given(st.lists(_bodies, max_size=4))
def test_without_locks_and_sets_it_is_the_merge_patch_of_the_rfc(bodies: list[dict[str, Any]]):
    expected: Any = {}
    for body in bodies:
        expected = rfc_7386(expected, body)
    assert merge(revisions(bodies)).fields == expected


@given(st.lists(_bodies, min_size=1, max_size=3))
def test_a_layer_said_twice_says_no_more(bodies: list[dict[str, Any]]):
    assert merge(revisions([*bodies, bodies[-1]])).fields == merge(revisions(bodies)).fields


@given(_bodies, _bodies, st.lists(_bodies, max_size=3), _paths)
def test_a_locked_field_never_changes(
    first: dict[str, Any], second: dict[str, Any], later: list[dict[str, Any]], path: tuple[str, ...]
):
    locking = [revision(0, first), revision(1, second, path)]
    then = field_of(merge(locking), *path)
    assert field_of(merge([*locking, *(revision(9, body) for body in later)]), *path) == then


@given(_bodies, _paths)
def test_null_removes(body: dict[str, Any], path: tuple[str, ...]):
    removal: Any = None
    for step in reversed(path):
        removal = {step: removal}
    assert field_of(merge([revision(0, body), revision(1, removal)]), *path) is None


@given(st.lists(_bodies, max_size=3), st.lists(_paths, max_size=2))
def test_every_leaf_has_one_origin_and_nothing_else_has_one(
    bodies: list[dict[str, Any]], locks: list[tuple[str, ...]]
):
    merged = merge([revision(number, body, *locks) for number, body in enumerate(bodies)])

    def pointers(value: Any, at: tuple[str, ...]) -> set[str]:
        if isinstance(value, dict) and (value or not at):
            return {each for key, below in value.items() for each in pointers(below, (*at, key))}
        return {pointer_of(at)}

    assert set(merged.origins) == pointers(merged.fields, ())
    assert [pointer for pointer, _, _ in leaves(merged)] == sorted(merged.origins)


@given(st.lists(_bodies, max_size=3), _paths)
def test_merging_changes_no_profile(bodies: list[dict[str, Any]], path: tuple[str, ...]):
    given_ = [revision(number, body, path) for number, body in enumerate(bodies)]
    before = deepcopy(given_)
    merge(given_)
    assert given_ == before
