"""A claim as the API server sends it: read whole, refused with a path, and always readable for its release."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import OcdpError, Reason, Stalled
from ocdp_operator.model.claim import ClaimKey, ClaimStatus, DeletionPolicy, WorkloadClaim
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.names import FINALIZER, IN_FORCE
from tests.support.builders import claim, entry

SPEC = {"templateId": "code-server", "workspaceId": "team-a"}


def parse(spec: Any = None, status: Any = None, **metadata: Any) -> WorkloadClaim:
    identity = {"namespace": "ns-a", "name": "ide", "uid": "u", "resourceVersion": "7", "generation": 2}
    return WorkloadClaim.parse(
        {"metadata": identity | metadata, "spec": SPEC if spec is None else spec, "status": status}
    )


def test_a_claim_is_read_whole():
    read = parse(
        SPEC | {"values": {"a": [1]}, "templateRevision": 3, "deletionPolicy": "Delete", "unknown": True},
        {"observedGeneration": 1, "template": {"revision": 2, "commit": "c", "pinned": 2}},
        finalizers=["x/y", FINALIZER],
        annotations={"a": "b"},
        creationTimestamp="2026-01-01T00:00:00Z",
    )

    assert read.key == ClaimKey("ns-a", "ide")
    assert (read.uid, read.resource_version, read.generation) == ("u", "7", 2)
    assert (read.spec.template_id, read.spec.workspace_id) == ("code-server", "team-a")
    assert (read.spec.values, read.spec.template_revision) == ({"a": [1]}, 3)
    assert read.spec.deletion_policy is DeletionPolicy.DELETE
    assert read.status.template is not None
    assert read.status.template.pinned == 2
    assert read.has_finalizer
    assert not read.deleting


def test_a_new_claim_has_an_empty_status():
    read = parse()

    assert read.status == ClaimStatus()
    assert len(read.status.recorded) == 0
    assert not read.has_finalizer


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"workspaceId": "team-a"}, "/spec/templateId"),
        (SPEC | {"values": ["CANARY"]}, "/spec/values"),
        (SPEC | {"templateRevision": "CANARY"}, "/spec/templateRevision"),
        (SPEC | {"templateRevision": 0}, "/spec/templateRevision"),
        (SPEC | {"templateRevision": 2**31}, "/spec/templateRevision"),
        (SPEC | {"deletionPolicy": "CANARY"}, "/spec/deletionPolicy"),
        (["CANARY"], "/spec"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused_with_its_path_and_not_quoted(spec, path):
    with pytest.raises(Stalled) as caught:
        parse(spec)

    assert caught.value.reason is Reason.INVALID_CLAIM
    assert caught.value.value_path == path
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ({}, None),
        (SPEC | {"templateRevision": -1, "deletionPolicy": "Delete"}, DeletionPolicy.DELETE),
        (SPEC | {"deletionPolicy": "Nuke"}, None),
        (SPEC | {"deletionPolicy": ["Delete"]}, None),
        (["no", "object"], None),
    ],
)
def test_a_claim_that_is_being_deleted_is_read_whatever_its_spec(spec, policy):
    read = parse(spec, {"deletionPolicy": "RetainData"}, deletionTimestamp="2026-01-01T00:00:00Z")

    assert read.deleting
    assert read.spec.deletion_policy is policy
    assert read.status.deletion_policy is DeletionPolicy.RETAIN_DATA


def test_conditions_and_failures_of_another_version_are_left_out_and_the_inventory_stays():
    known = {"type": "Ready", "status": "True", "reason": "Available"}
    unknown = {"type": "Applied", "status": "True", "reason": "ReasonOfTheFuture"}
    recorded = Inventory.of([entry("Service", "ide-web")])
    status = {
        "conditions": [known, unknown, "junk"],
        "failure": {"code": "CodeOfTheFuture", "actor": "User", "message": "m", "remedy": "r"},
        "inventory": recorded.to_wire(),
    }

    read = parse(status=status).status

    assert [c.type for c in read.conditions] == ["Ready"]
    assert read.failure is None
    assert read.recorded == recorded


@pytest.mark.parametrize("junk", [7, "junk", {"a": 1}, [[7]]], ids=repr)
def test_conditions_of_no_shape_are_left_out(junk):
    assert parse(status={"conditions": junk}).status.conditions == ()


def test_a_status_that_would_lose_the_inventory_is_refused():
    with pytest.raises(Stalled) as caught:
        parse(status={"inventory": "lost"})

    assert caught.value.value_path == "/status/inventory"


def test_a_status_is_written_without_defaults_and_read_back():
    status = ClaimStatus(
        observed_generation=2,
        deletion_policy=DeletionPolicy.DELETE,
        inventory=tuple(Inventory.of([entry("Service", "ide-web")]).to_wire()),
    )

    wire = status.to_wire()

    assert set(wire) == {"observedGeneration", "deletionPolicy", "inventory"}
    assert ClaimStatus.model_validate(wire) == status


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("3@c0ffee", (3, "c0ffee")),
        ("2147483647@c", (2147483647, "c")),
        ("2147483648@c", None),
        ("9" * 5000 + "@c", None),
        ("0@c", None),
        ("-1@c", None),
        ("٣@c", None),
        ("3@", None),
        ("@c", None),
        ("3", None),
        ("3@c d", None),
        ("3@" + "c" * 65, None),
        ("", None),
    ],
)
def test_the_hint_is_a_revision_and_a_commit_or_nothing(text, hint):
    assert claim(annotations={IN_FORCE: text}).in_force_hint == hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [*SPEC, "values", "templateRevision", "deletionPolicy", "conditions", "failure", "template"]
)


@given(spec=st.dictionaries(FIELDS, JSON), status=st.dictionaries(FIELDS, JSON), deleting=st.booleans())
def test_no_claim_ends_in_anything_but_a_claim_or_our_own_error(spec, status, deleting):
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {}
    try:
        read = parse(SPEC | spec, status, **metadata)
    except OcdpError as error:
        assert isinstance(error, Stalled)  # noqa: PT017 - a claim is an answer too
    else:
        assert read.key.name == "ide"


def test_values_of_any_depth_have_a_digest_and_it_is_nobody_elses():
    digests = []
    for levels in (1, 2, 300, 5000):
        values: dict[str, Any] = {}
        for _ in range(levels):
            values = {"a": values}
        digests.append(claim(values=values).spec.digest)
    assert len(set(digests)) == 3
    assert "" not in digests
