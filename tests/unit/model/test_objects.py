"""Objects: their identity, their mark, and what managedFields tell of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.kinds import RUNTIME_KINDS, find_kind
from ocdp_operator.model.names import OWNER
from ocdp_operator.model.objects import Manifest, Mark, ObjectRef, Observed
from tests.support.builders import CLAIM_UID, kind_named, manifest, ref

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)
REFS = st.builds(
    lambda kind, name: ObjectRef(kind.group, kind.kind, name), st.sampled_from(RUNTIME_KINDS), NAMES
)


@given(REFS)
def test_an_id_names_one_object(one):
    assert ObjectRef.parse(one.id) == one


@given(REFS, NAMES, NAMES)
def test_a_mark_is_read_back(one, namespace, claim):
    mark = Mark(CLAIM_UID, namespace, claim, one)

    assert Mark.parse(str(mark)) == mark


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "a b c", "a b/c d", "a b/c d/e", "a b/c d/e/f/g", "a b/c/d e/f/g", "a b/c d/e/f x", "a  b/c d/e/f"],
)  # fmt: skip
def test_what_is_no_mark_is_none(text):
    assert Mark.parse(text) is None


@given(st.text())
def test_no_text_breaks_the_reading_of_a_mark(text):
    mark = Mark.parse(text)

    assert mark is None or str(mark.claim_uid) in text


def test_every_runtime_kind_is_found_by_its_name():
    for kind in RUNTIME_KINDS:
        assert find_kind(kind.group, kind.kind) is kind
        assert ObjectRef(kind.group, kind.kind, "x").known_kind is kind
    assert find_kind("apps", "Service") is None
    with pytest.raises(KeyError):
        _ = ObjectRef("apps", "Service", "x").known_kind


def test_a_manifest_knows_its_identity():
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "ide-web"}}

    assert Manifest.of(body).ref == ObjectRef("apps", "Deployment", "ide-web")
    assert Manifest.of(body | {"apiVersion": "v1"}).ref.group == ""


def test_the_sent_digest_tells_every_change_but_a_secrets_value():
    one, other = (
        manifest("ConfigMap", "ide-x", data={"a": "1"}),
        manifest("ConfigMap", "ide-x", data={"a": "2"}),
    )
    secret, changed = (
        manifest("Secret", "ide-x", data={"a": "1"}),
        manifest("Secret", "ide-x", data={"a": "2"}),
    )
    more = manifest("Secret", "ide-x", data={"a": "1", "b": "1"})

    assert one.sent_digest != other.sent_digest
    assert secret.sent_digest == changed.sent_digest
    assert secret.sent_digest != more.sent_digest
    assert secret.sent_digest != manifest("Secret", "ide-x", data={"a": "1"}, type="Opaque").sent_digest


def test_no_body_is_shown():
    assert "canary" not in repr(manifest("Secret", "ide-x", data={"a": "canary"}))


def fields(**containers: dict[str, Any]) -> dict[str, Any]:
    return {"f:spec": {"f:template": {"f:spec": {f"f:{part}": owned for part, owned in containers.items()}}}}


def managed(manager: str = "ocdp-operator", operation: str = "Apply", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": {}} | more


OWNED = fields(containers={'k:{"name":"app"}': {}}, volumes={'k:{"name":"tmp"}': {}})


def live(
    *entries: dict[str, Any], pod: dict[str, Any] | None = None, kind: str = "Deployment", **metadata: Any
) -> Observed:
    raw = {
        "metadata": {"name": "ide-web", "namespace": "ns-a", "uid": "u", "resourceVersion": "7"}
        | {"managedFields": list(entries)}
        | metadata
    }
    if pod is not None:
        raw |= {"spec": {"template": {"spec": pod}}, "status": {"replicas": 1}, "data": {"a": "b"}}
    return Observed.of(kind_named(kind), raw)


def test_an_object_is_read_from_what_the_api_server_sent():
    mark = Mark(CLAIM_UID, "ns-a", "ide", ref("Deployment", "ide-web"))
    read = live(
        annotations={OWNER: str(mark)},
        labels={"a": "b"},
        generation=3,
        finalizers=["x/y"],
        deletionTimestamp="2026-01-01T00:00:00Z",
    )

    assert read.ref == ref("Deployment", "ide-web")
    assert (read.namespace, read.uid, read.resource_version, read.generation) == ("ns-a", "u", "7", 3)
    assert read.mark == mark
    assert (read.labels, read.finalizers) == ({"a": "b"}, ("x/y",))
    assert read.deletion_timestamp == "2026-01-01T00:00:00Z"


def test_metadata_alone_is_enough():
    read = live()

    assert (read.mark, read.applied_digest, read.body, read.foreign_parts) == (None, "", {}, ())
    assert not read.before_first_apply


def test_only_kinds_whose_status_is_read_keep_a_body_and_only_spec_and_status_of_it():
    assert set(live(pod={}).body) == {"spec", "status"}
    assert live(pod={}, kind="ConfigMap").body == {}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(managed("kubectl"), id="another manager"),
        pytest.param(managed(operation="Update"), id="our updates"),
        pytest.param(managed(subresource="status"), id="our status"),
    ],
)
def test_only_our_own_apply_entry_counts(other):
    ours = managed(fieldsV1=OWNED)

    assert live(other).applied_digest == ""
    assert live(other, ours).applied_digest == live(ours).applied_digest != ""


def test_the_digest_follows_the_fields_we_own_and_when_we_changed_them():
    one, late = managed(fieldsV1=OWNED, time="1"), managed(fieldsV1=OWNED, time="2")

    assert live(one).applied_digest != live(late).applied_digest
    assert live(one).applied_digest != live(managed(fieldsV1={}, time="1")).applied_digest
    assert live(one).applied_digest != live(managed(fieldsV1=OWNED, time="1", apiVersion="v2")).applied_digest


def test_fields_left_over_from_another_client_are_seen():
    assert live(managed("before-first-apply", "Update")).before_first_apply


@pytest.mark.parametrize(
    ("pod", "foreign"),
    [
        pytest.param({"containers": [{"name": "app"}], "volumes": [{"name": "tmp"}]}, (), id="ours alone"),
        pytest.param(
            {"containers": [{"name": "app"}, {"name": "mesh"}]}, ("containers/mesh",), id="a sidecar"
        ),
        pytest.param({"initContainers": [{"name": "init"}]}, ("initContainers/init",), id="an initContainer"),
        pytest.param({"volumes": [{"name": "tmp"}, {"name": "ca"}]}, ("volumes/ca",), id="a volume"),
        pytest.param({"containers": None, "tolerations": [{"key": "x"}]}, (), id="what belongs to others"),
    ],
)
def test_parts_of_a_pod_that_we_did_not_send_are_foreign(pod, foreign):
    read = live(managed(fieldsV1=OWNED), pod=pod)

    assert read.foreign_parts == tuple(f"/spec/template/spec/{part}" for part in foreign)


def test_without_an_entry_of_ours_nothing_is_called_foreign():
    assert live(managed("kubectl"), pod={"containers": [{"name": "app"}]}).foreign_parts == ()
