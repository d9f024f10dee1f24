"""What becomes of each object, and of the claim, when a candidate is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.impact import GRAVE, Gravity, ObjectImpact, Turn
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.secrets import GenerateRule, SecretReference, SecretUse, SecretValue
from ocdp_operator.plan.immutability import FieldConflict
from ocdp_operator.plan.impact import (
    After,
    Before,
    claim_impact,
    object_impacts,
    refused_impact,
    same_texts,
    written,
)
from ocdp_operator.plan.layers import Naming
from ocdp_operator.plan.stamp import Desired
from ocdp_operator.plan.updating import Update, Way
from tests.support.builders import changed, entry, manifest

KEY = ClaimKey("ns-a", "ide")
NAMING = Naming("ide-", frozenset({"config"}))
DEPLOYMENT = manifest("Deployment", "ide-web")
SERVICE = manifest("Service", "ide-web")
VOLUME = manifest("PersistentVolumeClaim", "ide-data", spec={"resources": {"requests": {"storage": "2Gi"}}})
SECRET = manifest("Secret", "ide-credentials", type="Opaque", data={"PASSWORD": "***"})
OLD_CONFIG = manifest("ConfigMap", "ide-config-2456789bcd", data={"c.yaml": "greeting: a-value-of-a-user\n"})
NEW_CONFIG = manifest("ConfigMap", "ide-config-bbcdfghkmt", data={"c.yaml": "greeting: another-value\n"})
SET = (DEPLOYMENT, SERVICE, VOLUME, SECRET)


def recorded(*manifests: Manifest, content_named: bool = False, **fields: Any) -> Inventory:
    made = [entry(each.ref.kind, each.ref.name, sent=each.sent_digest, **fields) for each in manifests]
    named = [replace(each, content_named=each.ref.kind in ("ConfigMap", "Job")) for each in made]
    return Inventory.of(named if content_named else made)


def before(*manifests: Manifest, keys: tuple[str, ...] = ("PASSWORD",)) -> Before:
    known = {each.ref: each for each in manifests if each.ref.kind != "Secret"}
    return Before(recorded(*manifests, content_named=True), known, keys)


def after(*manifests: Manifest) -> After:
    entries = [
        Entry(each.ref, sent=each.sent_digest, content_named=each.ref.kind in ("ConfigMap", "Job"))
        for each in manifests
    ]
    return After(Desired(manifests, Inventory.of(entries)), NAMING)


def impacts(was: Before, then: After, *updates: Update) -> dict[str, ObjectImpact]:
    found = object_impacts(was, then, {each.ref: each for each in updates})
    assert [each.gravity.rank for each in found] == sorted(each.gravity.rank for each in found)
    return {str(each.ref): each for each in found}


def with_image(image: str) -> Manifest:
    return changed(DEPLOYMENT, "/spec/template/spec/containers/0/image", image)


def test_what_is_sent_as_before_is_left_out():
    assert impacts(before(*SET), after(*SET)) == {}
    assert claim_impact(KEY, "", ()).gravity is Gravity.UNCHANGED


def test_a_pod_template_that_differs_restarts():
    (found,) = impacts(before(*SET), after(with_image("app:2"), SERVICE, VOLUME, SECRET)).values()
    assert (found.gravity, found.turn) == (Gravity.RESTART, Turn.CONFIGURED)
    assert found.fields == ("/spec/template/spec/containers/0/image",)


def test_a_pod_template_that_the_api_server_takes_for_the_same_does_not_restart():
    update = Update(DEPLOYMENT.ref, Way.IN_PLACE, restarts=False)
    (found,) = impacts(before(*SET), after(with_image("app:2"), *SET[1:]), update).values()
    assert found.gravity is Gravity.CHANGE


def test_replicas_and_services_change_without_a_restart():
    scaled = changed(DEPLOYMENT, "/spec/replicas", 2)
    labelled = changed(SERVICE, "/metadata/labels/tier", "a")
    found = impacts(before(*SET), after(scaled, labelled, VOLUME, SECRET))
    assert {name: each.gravity for name, each in found.items()} == {
        "Deployment/ide-web": Gravity.CHANGE,
        "Service/ide-web": Gravity.CHANGE,
    }


def test_a_generated_config_map_is_one_change_and_its_old_name_is_none():
    was = before(OLD_CONFIG, DEPLOYMENT)
    (found,) = impacts(was, after(NEW_CONFIG, DEPLOYMENT)).values()
    assert found.turn is Turn.CONFIGURED
    assert found.note == f"replaces {OLD_CONFIG.ref}"
    assert found.fields == ("/data/c.yaml#/greeting",)
    assert "value" not in repr(found)


def test_a_job_with_other_content_runs_anew_under_another_name():
    old, new = manifest("Job", "ide-seed-2456789bcd"), manifest("Job", "ide-seed-bbcdfghkmt")
    was = Before(recorded(old, content_named=True), {old.ref: old})
    (found,) = impacts(was, after(new)).values()
    assert (found.gravity, found.note) == (Gravity.RESTART, f"replaces {old.ref}")
    (gone,) = impacts(was, after()).values()
    assert (gone.gravity, gone.turn) == (Gravity.CHANGE, Turn.DELETED)


def test_new_objects_are_created_and_left_out_ones_deleted():
    more = manifest("Service", "ide-more")
    found = impacts(before(*SET), after(DEPLOYMENT, more, VOLUME, SECRET))
    assert {name: (each.gravity, each.turn) for name, each in found.items()} == {
        "Service/ide-more": (Gravity.CHANGE, Turn.CREATED),
        "Service/ide-web": (Gravity.CHANGE, Turn.DELETED),
    }


def test_a_volume_that_is_left_out_is_a_risk_and_waits_for_an_approval():
    found = impacts(before(*SET), after(DEPLOYMENT, SERVICE, SECRET))["PersistentVolumeClaim/ide-data"]
    assert (found.gravity, found.turn) == (Gravity.DATA_RISK, Turn.DELETED)
    assert "approval" in found.note


def test_pods_that_are_left_out_are_no_mere_change():
    found = impacts(before(*SET), after(SERVICE, VOLUME, SECRET))
    assert found["Deployment/ide-web"].gravity is Gravity.RECREATE


def test_a_key_that_the_credentials_lose_is_a_risk():
    was = before(
        *SET[:3],
        manifest("Secret", "ide-credentials", data={"PASSWORD": "", "TOKEN": ""}),
        keys=("PASSWORD", "TOKEN"),
    )
    found = impacts(was, after(*SET))["Secret/ide-credentials"]
    assert (found.gravity, found.fields, found.note) == (Gravity.DATA_RISK, ("/data/TOKEN",), "loses TOKEN")


def test_a_key_that_the_credentials_gain_is_a_change():
    more = changed(SECRET, "/data/TOKEN", "***")
    found = impacts(before(*SET), after(*SET[:3], more))["Secret/ide-credentials"]
    assert (found.gravity, found.fields) == (Gravity.CHANGE, ("/data/TOKEN",))


SMALLER = changed(VOLUME, "/spec/resources/requests/storage", "1Gi")
SHRUNK = FieldConflict("/spec/resources/requests/storage", "2Gi", "1Gi", "Ask for more.", data=True)
SELECTOR = FieldConflict("/spec/selector", remedy="Keep it.")
HINDERED = {
    "a smaller volume": (SMALLER, Update(VOLUME.ref, Way.REFUSED, conflicts=(SHRUNK,)), Gravity.DATA_RISK, Turn.REFUSED),
    "another selector": (with_image("app:2"), Update(DEPLOYMENT.ref, Way.REFUSED, True, (SELECTOR,)), Gravity.REFUSED, Turn.REFUSED),
    "made anew": (with_image("app:2"), Update(DEPLOYMENT.ref, Way.RECREATE, True), Gravity.RECREATE, Turn.RECREATED),
    "a larger volume": (SMALLER, Update(VOLUME.ref, Way.EXPAND, growth={"ide-data": "3Gi"}), Gravity.CHANGE, Turn.CONFIGURED),
}  # fmt: skip


@pytest.mark.parametrize(("then", "update", "gravity", "turn"), HINDERED.values(), ids=HINDERED.keys())
def test_fields_that_can_never_change(then: Manifest, update: Update, gravity: Gravity, turn: Turn):
    others = [each for each in SET if each.ref != then.ref]
    (found,) = impacts(before(*SET), after(then, *others), update).values()
    assert (found.gravity, found.turn) == (gravity, turn)
    assert found.fields
    assert "Gi" not in repr(found.fields) + found.note


def test_where_the_former_objects_are_not_known_the_record_still_tells_what_is_written():
    was = Before(recorded(*SET), {}, ("PASSWORD",))
    found = impacts(was, after(with_image("app:2"), *SET[1:]))
    assert list(found) == ["Deployment/ide-web"]
    assert found["Deployment/ide-web"].gravity is Gravity.RESTART
    assert "not known" in found["Deployment/ide-web"].note


def test_nothing_is_on_record_so_everything_is_created():
    found = impacts(Before(Inventory()), after(*SET))
    assert {each.turn for each in found.values()} == {Turn.CREATED}


def test_an_entry_without_a_uid_is_written_whatever_it_says():
    assert written(after(SERVICE).desired, recorded(SERVICE, uid="")) == (SERVICE,)


def test_what_is_on_its_way_out_already_is_nothing_new():
    gone = Inventory.of([*recorded(*SET), entry("Service", "ide-old", desired=False)])
    assert impacts(Before(gone), after(*SET)) == {}


def test_the_gravest_object_decides():
    objects = object_impacts(before(*SET), after(with_image("app:2"), SERVICE, SECRET), {})
    assert claim_impact(KEY, "Manual", objects).gravity is Gravity.DATA_RISK


REFUSALS = {
    "values": (Stalled(Reason.INVALID_VALUES, "no", value_path="/spec/values/a"), Gravity.INVALID_VALUES),
    "too many": (Stalled(Reason.VALUES_TOO_LARGE, "no"), Gravity.INVALID_VALUES),
    "the schema": (Stalled(Reason.INVALID_VALUES, "no", actor=Actor.PLATFORM), Gravity.REFUSED),
    "policy": (Stalled(Reason.POLICY_DENIED, "no"), Gravity.REFUSED),
}


@pytest.mark.parametrize(("error", "gravity"), REFUSALS.values(), ids=REFUSALS.keys())
def test_values_that_do_not_fit_are_told_from_other_refusals(error: Stalled, gravity: Gravity):
    found = refused_impact(KEY, "", error)
    assert found.gravity is gravity
    assert found.complaint is not None
    assert found.complaint.path == error.value_path


GENERATED = SecretValue(("password",), GenerateRule(length=8))
LONGER = SecretValue(("password",), GenerateRule(length=24))
TOKEN = SecretValue(("token",), SecretReference("mine", "token"))
OTHER = SecretValue(("token",), SecretReference("yours", "token"))
TEXTS = {
    "the same text": (("a:", GENERATED), ("a:", GENERATED), True),
    "another text": (("a:", GENERATED), ("b:", GENERATED), False),
    "another rule for what is kept": ((GENERATED,), (LONGER,), True),
    "a text of a value with another rule": (("a:", GENERATED), ("a:", LONGER), True),
    "a copy of another Secret": ((TOKEN,), (OTHER,), False),
}


@pytest.mark.parametrize(("was", "then", "same"), TEXTS.values(), ids=TEXTS.keys())
def test_texts_that_differ_make_another_secret(was: tuple[Any, ...], then: tuple[Any, ...], same: bool):
    assert same_texts([SecretUse("KEY", was)], [SecretUse("KEY", then)]) is same
    assert same_texts([SecretUse("OTHER", was)], [SecretUse("KEY", then)])


def test_gravities_have_an_order():
    assert sorted(Gravity, key=lambda each: each.rank) == list(Gravity)
    assert {Gravity.UNCHANGED, Gravity.CHANGE, Gravity.RESTART}.isdisjoint(GRAVE)
