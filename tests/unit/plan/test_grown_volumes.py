"""A volume that grew by no wish of its user is asked for as it lives; less than it had before is asked for as it is."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.names import GROWN_FROM
from ocdp_operator.model.objects import Manifest, Observed
from ocdp_operator.model.template import Bound, ResolvedWorkload
from ocdp_operator.plan.grown_volumes import as_large_as, with_grown_volumes
from ocdp_operator.plan.immutability import size_of
from ocdp_operator.plan.stamp import Desired
from tests.support import builders

SIZE = "/spec/resources/requests/storage"
KINDS = ["PersistentVolumeClaim", "StatefulSet"]


def sized(size: str) -> dict[str, Any]:
    return {"resources": {"requests": {"storage": size}}}


def volume(kind: str, size: str, **annotations: str) -> Manifest:
    """An object with one volume, whose name is "ide-web" or "data"."""
    spec = sized(size)
    if kind == "StatefulSet":
        spec = {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": sized(size)}]}
    return builders.manifest(kind, "ide-web", metadata={"annotations": annotations}, spec=spec)


def named(kind: str, size: str) -> str:
    return f"{'data' if kind == 'StatefulSet' else 'ide-web'}={size}"


def living(kind: str, size: str, former: str = "") -> Observed:
    body = dict(volume(kind, size).body)
    annotations = {GROWN_FROM: former} if former else {}
    body["metadata"] = {
        **body["metadata"],
        "uid": "uid-1",
        "resourceVersion": "1",
        "annotations": annotations,
    }
    return Observed.of(builders.ref(kind, "ide-web").known_kind, body)


SCHEMA = {"type": "object", "properties": {"size": {"type": "string", "default": "1Gi"}}}


def with_value(kind: str, read: str, **values: Any) -> ResolvedWorkload:
    """A mapping that puts what it reads into the size."""
    pointer = SIZE if kind == "PersistentVolumeClaim" else f"/spec/volumeClaimTemplates/0{SIZE}"
    patch = {"kind": kind, "name": "web", "pointer": pointer}
    how = {"from": read} if "(" not in read else {"value": read}
    revision = builders.template(schema=SCHEMA, mappings=[how | {"patch": patch}])
    (mapping,) = revision.body.mappings
    return builders.resolved(revision=revision, values=values, bound=(Bound(0, mapping, "5Gi"),))


def sent(
    kind: str,
    asked: str,
    lives: Observed | None,
    workload: ResolvedWorkload | None = None,
) -> tuple[str, str]:
    """The size that is sent, and what is remembered."""
    manifest = volume(kind, asked)
    desired = Desired((manifest,), Inventory.of([builders.entry(kind, "ide-web", sent=manifest.sent_digest)]))
    live = {} if lives is None else {lives.ref: lives}
    found = with_grown_volumes(desired, workload or builders.resolved(), live)
    (after,) = found.manifests
    (entry,) = found.inventory
    assert entry.sent == after.sent_digest
    spec = after.body["spec"]
    if kind == "StatefulSet":
        (template,) = spec["volumeClaimTemplates"]
        spec = template["spec"]
    return size_of(spec), after.body["metadata"]["annotations"].get(GROWN_FROM, "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("asked", "lives", "former", "size", "remembered"),
    [
        pytest.param("1Gi", "1Gi", "", "1Gi", "", id="nothing changes"),
        pytest.param("2Gi", "1Gi", "", "2Gi", "1Gi", id="it grows"),
        pytest.param("2Gi", "2Gi", "1Gi", "2Gi", "1Gi", id="it grew"),
        pytest.param("1Gi", "2Gi", "1Gi", "2Gi", "1Gi", id="back"),
        pytest.param("1536Mi", "2Gi", "1Gi", "2Gi", "1Gi", id="back, but not all the way"),
        pytest.param("3Gi", "2Gi", "1Gi", "3Gi", "1Gi", id="it grows once more"),
        pytest.param("512Mi", "2Gi", "1Gi", "512Mi", "1Gi", id="smaller than it ever was"),
        pytest.param("1Gi", "2Gi", "", "1Gi", "", id="smaller, and no revision made it grow"),
        pytest.param("1Gi", "2Gi", "2Gi", "1Gi", "", id="what is remembered is not less"),
        pytest.param("1Gi", "2Gi", "large", "1Gi", "", id="what is remembered is no size"),
        pytest.param("2Gi", "1Gi", "large", "2Gi", "1Gi", id="it grows, and no size is remembered"),
        pytest.param("much", "2Gi", "1Gi", "much", "1Gi", id="no size is asked for"),
    ],
)
def test_a_size_that_a_revision_gave_is_kept(
    kind: str, asked: str, lives: str, former: str, size: str, remembered: str
):
    expected = size, remembered and named(kind, remembered)
    assert sent(kind, asked, living(kind, lives, former and named(kind, former))) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_is_not_there_is_made_as_it_is_asked_for(kind: str):
    assert sent(kind, "1Gi", None) == ("1Gi", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", ["values.size", "string(values.size)"])
def test_a_volume_that_grows_by_a_value_of_the_claim_forgets_what_it_had(kind: str, read: str):
    lives, workload = living(kind, "2Gi", named(kind, "1Gi")), with_value(kind, read, size="3Gi")
    assert sent(kind, "3Gi", lives, workload) == ("3Gi", "")


@pytest.mark.parametrize(
    ("read", "values"),
    [
        pytest.param("values.size", {"size": "1Gi"}, id="the schema's default"),
        pytest.param("profile.size", {"size": "3Gi"}, id="a profile"),
        pytest.param("string(profile.size)", {"size": "3Gi"}, id="an expression on a profile"),
    ],
)
def test_a_volume_that_grows_by_a_mapping_that_no_value_of_the_claim_decides_remembers_what_it_had(
    read: str, values: dict[str, Any]
):
    kind = "PersistentVolumeClaim"
    workload = with_value(kind, read, **values)
    assert sent(kind, "2Gi", living(kind, "1Gi"), workload) == ("2Gi", named(kind, "1Gi"))


@pytest.mark.parametrize(
    ("asked", "lives", "size", "remembered"),
    [
        pytest.param("1Gi", "2Gi", "2Gi", "ide-web=1Gi", id="somebody made it larger"),
        pytest.param("1Gi", "1Gi", "1Gi", "", id="nobody did"),
        pytest.param("2Gi", "1Gi", "2Gi", "", id="it has yet to grow"),
    ],
)
def test_a_volume_that_somebody_made_larger_is_sent_as_it_lives(
    asked: str, lives: str, size: str, remembered: str
):
    kind = "PersistentVolumeClaim"
    body = as_large_as(volume(kind, asked), living(kind, lives)).body
    assert size_of(body["spec"]) == size
    assert body["metadata"]["annotations"].get(GROWN_FROM, "") == remembered


def test_what_a_volume_had_before_it_grew_is_remembered_when_it_grows_by_hand_too():
    kind = "PersistentVolumeClaim"
    manifest = volume(kind, "2Gi", **{GROWN_FROM: "ide-web=1Gi"})
    body = as_large_as(manifest, living(kind, "3Gi", "ide-web=1Gi")).body
    assert size_of(body["spec"]) == "3Gi"
    assert body["metadata"]["annotations"][GROWN_FROM] == "ide-web=1Gi"


def test_another_object_of_the_rendering_is_left_as_it_is():
    manifest = builders.manifest("Service", "ide-web")
    desired = Desired((manifest,), Inventory.of([builders.entry("Service", "ide-web")]))
    raw = {**manifest.body, "metadata": {**manifest.body["metadata"], "uid": "u", "resourceVersion": "1"}}
    live = {manifest.ref: Observed.of(manifest.ref.known_kind, raw)}
    assert with_grown_volumes(desired, builders.resolved(), live) == desired
