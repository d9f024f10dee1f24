"""A volume that grew by no wish of its user is asked for as it lives; less than it had before is asked for as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocdp_operator.model.claim import ClaimStatus, HistoryItem, TemplateInForce, WorkloadClaim
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.names import GROWN_FROM
from ocdp_operator.model.objects import Manifest, Observed
from ocdp_operator.plan.grown_volumes import as_large_as, goes_back, with_grown_volumes
from ocdp_operator.plan.immutability import size_of
from ocdp_operator.plan.stamp import Desired
from tests.support import builders

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


def living(
    kind: str, size: str, former: str = "", *, capacity: str = "", ours: bool = True, said_by_us: bool = True
) -> Observed:
    """As it lives; ``former``: what was said of how large it was to be, by us or not; ``ours``: we sent the size."""
    body = dict(volume(kind, size, **({GROWN_FROM: former} if former else {})).body)
    body["metadata"] = {**body["metadata"], "uid": "uid-1", "resourceVersion": "1"}
    body["status"] = {"capacity": {"storage": capacity}} if capacity else {}
    said = {f"f:{GROWN_FROM}": {}} if said_by_us else {}
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:ocdp.io/owner": {}, **said}}}
    if ours:
        fields["f:spec"] = {"f:resources": {"f:requests": {"f:storage": {}}}}
    entry = {"manager": "ocdp-operator", "operation": "Apply", "fieldsV1": fields}
    body["metadata"]["managedFields"] = [entry]
    return Observed.of(builders.ref(kind, "ide-web").known_kind, body)


def sent(kind: str, asked: str, lives: Observed | None, *, back: bool = False) -> tuple[str, str]:
    """The size that is sent, and what is remembered."""
    manifest = volume(kind, asked)
    desired = Desired((manifest,), Inventory.of([builders.entry(kind, "ide-web", sent=manifest.sent_digest)]))
    found = with_grown_volumes(desired, {} if lives is None else {lives.ref: lives}, back=back)
    (after,) = found.manifests
    (entry,) = found.inventory
    assert entry.sent == after.sent_digest
    return shown(after)


def shown(manifest: Manifest) -> tuple[str, str]:
    spec = manifest.body["spec"]
    if manifest.ref.kind == "StatefulSet":
        (template,) = spec["volumeClaimTemplates"]
        spec = template["spec"]
    return size_of(spec), manifest.body["metadata"]["annotations"].get(GROWN_FROM, "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("asked", "lives", "former", "size", "remembered"),
    [
        pytest.param("1Gi", "1Gi", "", "1Gi", "", id="nothing changes"),
        pytest.param("2Gi", "1Gi", "", "2Gi", "", id="it grows"),
        pytest.param("1Gi", "2Gi", "1Gi", "2Gi", "1Gi", id="no less is asked for than before"),
        pytest.param(
            "1536Mi", "2Gi", "1Gi", "2Gi", "1536Mi", id="more is asked for, and there is still more"
        ),
        pytest.param("2Gi", "2Gi", "1Gi", "2Gi", "", id="what there is is asked for"),
        pytest.param("3Gi", "2Gi", "1Gi", "3Gi", "", id="more than there is"),
        pytest.param("512Mi", "2Gi", "1Gi", "512Mi", "", id="less than before"),
        pytest.param("1Gi", "2Gi", "", "1Gi", "", id="less, and nothing is remembered"),
        pytest.param("1Gi", "2Gi", "large", "1Gi", "", id="what is remembered is no size"),
        pytest.param("much", "2Gi", "1Gi", "much", "", id="no size is asked for"),
    ],
)
def test_a_volume_stays_as_large_as_it_is_while_no_less_is_asked_for(
    kind: str, asked: str, lives: str, former: str, size: str, remembered: str
):
    expected = size, remembered and named(kind, remembered)
    assert sent(kind, asked, living(kind, lives, former and named(kind, former))) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_claim_that_goes_back_takes_its_volumes_as_they_are(kind: str):
    assert sent(kind, "1Gi", living(kind, "2Gi"), back=True) == ("2Gi", named(kind, "1Gi"))
    assert sent(kind, "2Gi", living(kind, "1Gi"), back=True) == ("2Gi", "")


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_is_not_there_is_made_as_it_is_asked_for(kind: str):
    assert sent(kind, "1Gi", None, back=True) == ("1Gi", "")


def test_a_size_that_somebody_else_set_is_left_whatever_is_asked_for():
    lives = living("PersistentVolumeClaim", "3Gi", ours=False, capacity="1Gi")
    assert sent("PersistentVolumeClaim", "2Gi", lives) == ("3Gi", "ide-web=2Gi")


def test_less_than_was_asked_for_before_somebody_set_the_size_is_asked_for_as_it_is():
    lives = living("PersistentVolumeClaim", "5Gi", "ide-web=2Gi", ours=False)
    assert sent("PersistentVolumeClaim", "1Gi", lives) == ("1Gi", "")


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        pytest.param("10Gi", "10Gi", id="more than there is"),
        pytest.param("1Gi", "1000Gi", id="no more than there is"),
    ],
)
def test_a_growth_that_failed_is_taken_back_where_the_api_server_lets_it(asked: str, size: str):
    lives = living("PersistentVolumeClaim", "1000Gi", "ide-web=1Gi", capacity="1Gi")
    for back in (False, True):
        assert sent("PersistentVolumeClaim", asked, lives, back=back)[0] == size


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_say_was_asked_for_is_not_believed(kind: str):
    lives = living(kind, "2Gi", named(kind, "1Gi"), ours=True, said_by_us=False)
    assert lives.annotations[GROWN_FROM]
    assert sent(kind, "1Gi", lives) == ("1Gi", "")


def test_a_size_that_is_left_to_others_is_never_looked_at():
    ignoring = {"ocdp.io/ignored-fields": "/spec/resources/requests/storage"}
    manifest = volume("PersistentVolumeClaim", "1Gi", **ignoring)
    lives = living("PersistentVolumeClaim", "2Gi", ours=False)
    desired = Desired((manifest,), Inventory.of([builders.entry("PersistentVolumeClaim", "ide-web")]))
    assert with_grown_volumes(desired, {lives.ref: lives}, back=True) == desired
    assert as_large_as(manifest, lives) is manifest


# -- drift ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "floor", "lives", "size", "remembered"),
    [
        pytest.param("1Gi", "", "2Gi", "2Gi", "1Gi", id="somebody made it larger"),
        pytest.param("1Gi", "", "1Gi", "1Gi", "", id="nobody did"),
        pytest.param("2Gi", "", "1Gi", "2Gi", "", id="it has yet to grow"),
        pytest.param("2Gi", "1Gi", "3Gi", "3Gi", "1Gi", id="larger once more"),
        pytest.param("9Gi", "1Gi", "2Gi", "2Gi", "1Gi", id="a growth that failed was taken back"),
    ],
)
def test_a_volume_whose_size_somebody_changed_is_sent_as_it_lives(
    asked: str, floor: str, lives: str, size: str, remembered: str
):
    kind = "PersistentVolumeClaim"
    manifest = volume(kind, asked, **({GROWN_FROM: named(kind, floor)} if floor else {}))
    expected = size, remembered and named(kind, remembered)
    assert shown(as_large_as(manifest, living(kind, lives, ours=False))) == expected


# -- going back -----------------------------------------------------------------------------------------------------


def claim(
    values: dict[str, Any], *, pin: int | None = None, failed: int | None = None, digest: str = "d"
) -> WorkloadClaim:
    """A claim that was applied completely with the value 1 and no pin, on revision 3; 2 it was on before."""
    applied = builders.claim(values={"size": 1})
    history = [
        HistoryItem(revision=number, commit="c", input_digest="d", first_applied="") for number in (3, 2)
    ]
    in_force = TemplateInForce(revision=3 if failed is None else 2, commit="c", failed=failed)
    status = ClaimStatus(
        spec_digest=applied.spec.digest, input_digest=digest, history=tuple(history), template=in_force
    )
    return replace(builders.claim(values=values, template_revision=pin), status=status)


@pytest.mark.parametrize(
    ("of", "revision", "expected"),
    [
        pytest.param(claim({"size": 1}), 2, True, id="by itself"),
        pytest.param(claim({"size": 1}, failed=4), 3, True, id="from one that was never applied completely"),
        pytest.param(claim({"size": 1}, pin=2), 2, True, id="by a pin"),
        pytest.param(claim({"size": 1}, digest=""), 3, True, id="from an apply that is unfinished"),
        pytest.param(claim({"size": 2}, digest=""), 3, False, id="an edit is unfinished"),
        pytest.param(claim({"size": 1}, digest=""), 4, False, id="a newer one is unfinished"),
        pytest.param(claim({"size": 1}), 3, False, id="it stays"),
        pytest.param(claim({"size": 1}), 4, False, id="a newer one"),
        pytest.param(claim({"size": 2}, pin=2), 2, False, id="with other values"),
        pytest.param(builders.claim(), 1, False, id="a new claim"),
    ],
)
def test_a_claim_goes_back_with_its_values_as_they_were(of: WorkloadClaim, revision: int, expected: bool):
    assert goes_back(of, revision) is expected


def test_another_object_of_the_rendering_is_left_as_it_is():
    manifest = builders.manifest("Service", "ide-web")
    desired = Desired((manifest,), Inventory.of([builders.entry("Service", "ide-web")]))
    raw = {**manifest.body, "metadata": {**manifest.body["metadata"], "uid": "u", "resourceVersion": "1"}}
    live = {manifest.ref: Observed.of(manifest.ref.known_kind, raw)}
    assert with_grown_volumes(desired, live, back=True) == desired
