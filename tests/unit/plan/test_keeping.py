"""What a Workload keeps of its claim comes back as it was, holds no secret, and is believed only as far as the record goes."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from zlib import compress

import pytest

from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.names import RENDERING
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.keeping import MAX_KEPT, pack, trusted, unpack, with_kept
from ocdp_operator.plan.running import at_rest
from tests.support import builders

DEPLOYMENT = builders.manifest("Deployment", "ide-web")
SERVICE = builders.manifest("Service", "ide-web")
SECRET = builders.manifest("Secret", "ide-credentials", data={"PASSWORD": "c2VjcmV0"})
WORKLOAD = builders.manifest("Workload", "ide", spec={})


def record(*manifests: Manifest, **entry: object) -> Inventory:
    return Inventory.of(
        replace(Entry(each.ref, uid="u", sent=each.sent_digest), **entry)  # type: ignore[arg-type]
        for each in manifests
    )


def test_what_is_kept_comes_back_in_its_order():
    assert unpack(pack([SERVICE, DEPLOYMENT])) == (SERVICE, DEPLOYMENT)


def test_the_same_manifests_give_the_same_text():
    assert pack([SERVICE, DEPLOYMENT]) == pack([SERVICE, DEPLOYMENT])


def test_neither_the_secret_nor_the_workload_is_kept():
    assert unpack(pack([SECRET, SERVICE, WORKLOAD])) == (SERVICE,)


def test_a_rendering_that_does_not_fit_is_not_kept():
    noise = "".join(f"{number:x}" for number in range(300_000))
    huge = builders.manifest("ConfigMap", "ide-huge", data={"a": noise})
    assert pack([huge]) == ""
    assert RENDERING not in with_kept(WORKLOAD, [huge])[0].body["metadata"].get("annotations", {})


def test_the_workload_carries_what_it_keeps_within_the_room_of_annotations():
    text = with_kept(WORKLOAD, [SERVICE])[0].body["metadata"]["annotations"][RENDERING]
    assert unpack(text) == (SERVICE,)
    assert len(text) <= MAX_KEPT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64!",
        b64encode(b"no zlib").decode(),
        b64encode(compress(b"no json")).decode(),
        b64encode(compress(b'[{"kind": "Service"}]')).decode(),
        b64encode(compress(b"[1, null]")).decode(),
        b64encode(compress(b"7")).decode(),
        b64encode(compress(b"[" + b" " * 50_000_000)).decode(),
    ],
    ids=["empty", "not base64", "not zlib", "not json", "no object", "no mapping", "no list", "a bomb"],
)
def test_what_is_not_a_rendering_is_nothing(text: str):
    assert unpack(text) == ()


def test_what_the_record_says_was_sent_is_trusted_running_or_at_rest():
    kept = (SERVICE, DEPLOYMENT)
    assert trusted(kept, record(SERVICE, DEPLOYMENT)) == {each.ref: each for each in kept}
    assert trusted(kept, record(SERVICE, at_rest(DEPLOYMENT))) == {each.ref: each for each in kept}


@pytest.mark.parametrize(
    "recorded",
    [
        Inventory(),
        record(builders.changed(SERVICE, "/spec/type", "NodePort")),
        record(SERVICE, sent=""),
        record(SERVICE, desired=False),
    ],
    ids=["not on record", "another content", "never sent", "to be pruned"],
)
def test_what_the_record_does_not_vouch_for_is_not_trusted(recorded: Inventory):
    assert trusted([SERVICE], recorded) == {}
