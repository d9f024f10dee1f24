"""What ``ocdp claim retained`` and ``adopt`` read of objects that were kept, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocdp_operator.cli.claims.adopting import adopted, conflict
from ocdp_operator.cli.claims.kept import Kept, all_retained, chosen, kept_from
from ocdp_operator.cli.claims.verdict import State
from ocdp_operator.errors import Refused
from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.names import CLAIM_NAME, OWNER, RETAINED

KEY = ClaimKey("team-a", "ide")


def tombstone(claim: str = "team-a/ide", uid: str = "u1") -> dict[str, str]:
    said = {"claim": claim, "uid": uid, "template": "code-server", "revision": 2, "workspace": "team-a"}
    return {RETAINED: json.dumps({**said, "since": "2026-01-01T00:00:00Z"})}


def mark(kind: str, name: str, uid: str = "u1", claim: str = "team-a/ide") -> dict[str, str]:
    return {OWNER: f"{uid} {claim} core/{kind}/{name}"}


def volume(name: str, *, storage: str = "10Gi", **annotations: str) -> dict[str, Any]:
    labels = {CLAIM_NAME: "ide", **({RETAINED: "true"} if RETAINED in annotations else {})}
    return {
        "metadata": {"name": name, "namespace": "team-a", "annotations": annotations, "labels": labels},
        "spec": {"resources": {"requests": {"storage": storage}}},
        "status": {},
    }


def secret(**annotations: str) -> dict[str, Any]:
    return {"metadata": {"name": "ide-credentials", "namespace": "team-a", "annotations": annotations}}


class Objects:
    """What the cluster holds, as somebody with these rights sees it."""

    def __init__(self, *volumes: dict[str, Any], secrets: list[dict[str, Any]] | None = None) -> None:
        self._volumes, self._secrets = volumes, secrets

    async def volumes(self, label: str, value: str) -> list[dict[str, Any]]:
        return [each for each in self._volumes if each["metadata"]["labels"].get(label) == value]

    async def secrets(self, label: str, value: str) -> list[dict[str, Any]] | None:
        return self._secrets

    async def secret(self, name: str) -> dict[str, Any] | None:
        return self._secrets[0] if self._secrets else None


def names(found: list[Kept]) -> list[str]:
    return [f"{each.kind}/{each.name}" for each in found]


async def test_what_was_kept_is_listed_with_its_size_and_its_claim():
    objects: Any = Objects(volume("ide-data", **tombstone()), secrets=[secret(**tombstone())])
    found, with_secrets = await all_retained(objects, living=())
    assert with_secrets
    assert names(found) == ["PersistentVolumeClaim/ide-data", "Secret/ide-credentials"]
    assert [each.size for each in found] == ["10Gi", "-"]
    assert found[0].document() == {
        "namespace": "team-a", "claim": "ide", "uid": "u1", "kind": "PersistentVolumeClaim", "name": "ide-data",
        "size": "10Gi", "template": "code-server", "revision": 2, "workspace": "team-a", "since": "2026-01-01T00:00:00Z",
    }  # fmt: skip


async def test_who_may_not_list_secrets_is_told_so():
    objects: Any = Objects(volume("ide-data", **tombstone()))
    found, with_secrets = await all_retained(objects, living=())
    assert not with_secrets
    assert names(found) == ["PersistentVolumeClaim/ide-data"]


@pytest.mark.parametrize(
    "annotations",
    [{RETAINED: "no tombstone"}, tombstone(claim="team-b/ide"), tombstone(uid="alive")],
    ids=["no tombstone", "another namespace's", "a living claim's"],
)
async def test_what_only_looks_kept_is_not_listed(annotations: dict[str, str]):
    objects: Any = Objects(volume("ide-data", **annotations), secrets=[])
    assert (await all_retained(objects, living={"alive"}))[0] == []


async def test_what_an_older_version_left_is_taken_back_by_its_mark():
    objects: Any = Objects(
        volume("ide-data", **mark("PersistentVolumeClaim", "ide-data")),
        volume("ide-copy", **mark("PersistentVolumeClaim", "ide-data")),
        volume("data-ide-db-0", **tombstone()),
        volume("other-data", **tombstone(claim="team-a/other")),
        secrets=[secret(**mark("Secret", "ide-credentials"))],
    )
    found = await kept_from(objects, KEY)
    assert names(found) == [
        "PersistentVolumeClaim/data-ide-db-0",
        "PersistentVolumeClaim/ide-data",
        "Secret/ide-credentials",
    ]


@pytest.mark.parametrize("lie", [tombstone(uid="u2"), tombstone(claim="team-a/other")], ids=["UID", "claim"])
async def test_whose_a_marked_object_is_a_tombstone_does_not_change(lie: dict[str, str]):
    objects: Any = Objects(
        volume("ide-data", **lie, **mark("PersistentVolumeClaim", "ide-data")),
        volume("ide-copy", **tombstone(), **mark("PersistentVolumeClaim", "ide-data")),
    )
    found = await kept_from(objects, KEY)
    assert [(each.name, each.claim, each.claim_uid, each.since) for each in found] == [
        ("ide-data", KEY, "u1", "")
    ]
    assert (await all_retained(objects, living=()))[0] == found


def kept(uid: str, name: str = "ide-data") -> Kept:
    return Kept("team-a", "PersistentVolumeClaim", name, "1Gi", KEY, uid)


def test_the_only_former_claim_need_not_be_named():
    assert chosen([kept("u1"), kept("u1", "ide-more")], None, "ide") == [kept("u1"), kept("u1", "ide-more")]
    assert chosen([kept("u1"), kept("u2")], "u2", "ide") == [kept("u2")]


@pytest.mark.parametrize(
    ("found", "uid", "words"),
    [
        ([kept("u1"), kept("u2")], None, "u1, u2"),
        ([], None, "Nothing of an earlier claim ide"),
        ([kept("u1")], "u3", "with the UID u3"),
    ],
    ids=["two", "none", "another"],
)
def test_what_is_not_clear_is_refused(found: list[Kept], uid: str | None, words: str):
    with pytest.raises(Refused, match=words):
        chosen(found, uid, "ide")


def claim(code: str = "OwnershipConflict", message: str = "before", ready: str = "False") -> dict[str, Any]:
    stalled = {"type": "Stalled", "status": "True", "reason": code, "message": message}
    condition = {"type": "Ready", "status": ready, "reason": "Available", "message": ""}
    both = [condition] if ready == "True" else [condition, stalled]
    failure = {"code": code, "actor": "User", "message": message, "remedy": ""}
    metadata = {"name": "ide", "namespace": "team-a", "uid": "u", "resourceVersion": "1", "generation": 1}
    return {
        "metadata": metadata,
        "spec": {"templateId": "code-server", "workspaceId": "team-a"},
        "status": {
            "conditions": [
                {**each, "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for each in both
            ],
            **({} if ready == "True" else {"failure": failure}),
        },
    }


def test_only_a_claim_that_meets_what_was_kept_takes_it_back():
    assert conflict(WorkloadClaim.parse(claim())) == "before"
    for raw in (claim("InvalidValues"), claim(ready="True")):
        with pytest.raises(Refused, match="No object of an earlier claim"):
            conflict(WorkloadClaim.parse(raw))


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        (claim(), State.PENDING),
        (claim(message="another object"), State.REFUSED),
        (claim("InvalidValues"), State.REFUSED),
        (claim(ready="True"), State.REACHED),
        (None, State.REFUSED),
    ],
    ids=["not looked at yet", "another conflict", "another refusal", "ready", "gone"],
)
def test_the_refusal_that_was_there_before_is_no_verdict(raw: dict[str, Any] | None, state: State):
    assert adopted(raw, "before").state is state
