"""What people read of a claim, from claims as the API server holds them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import typer

from ocdp_operator.cli.claims import account
from ocdp_operator.cli.claims.verdict import Goal, State, judge, parse_duration, progress, rotated

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAILURE = {
    "code": "InvalidValues",
    "actor": "User",
    "valuePath": "/storageGi",
    "message": "/storageGi: 5000 is more than 1000.",
    "remedy": "Correct the value at the given path.",
}


def _condition(
    type_: str, status: str, reason: str, message: str = "", generation: int = 2
) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": "2026-01-02T03:00:05Z",
    }


READY = _condition("Ready", "True", "Available", "All 9 objects are applied and healthy.")
APPLIED = _condition("Applied", "True", "ApplySucceeded")
STALLED = _condition("Stalled", "True", "InvalidValues", FAILURE["message"])
REFUSED = _condition("Ready", "False", "InvalidValues", FAILURE["message"])


def _claim(*conditions: dict[str, Any], deleting: bool = False, **status: Any) -> dict[str, Any]:
    metadata = {
        "name": "my-ide",
        "namespace": "team-a",
        "uid": "u",
        "resourceVersion": "1",
        "generation": 2,
        "creationTimestamp": "2026-01-02T03:03:00Z",
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-02T03:04:00Z"
    return {
        "metadata": metadata,
        "spec": {"templateId": "code-server", "workspaceId": "team-a"},
        "status": {"conditions": list(conditions), **status},
    }


@pytest.mark.parametrize(
    ("raw", "goal", "state"),
    [
        (_claim(), Goal.READY, State.PENDING),
        (_claim(READY, APPLIED), Goal.READY, State.REACHED),
        (_claim(READY | {"observedGeneration": 1}), Goal.READY, State.PENDING),
        (_claim(READY | {"status": "Unknown"}, APPLIED), Goal.READY, State.PENDING),
        (_claim(READY | {"status": "Unknown"}, APPLIED), Goal.APPLIED, State.REACHED),
        (_claim(REFUSED, STALLED), Goal.READY, State.REFUSED),
        (_claim(REFUSED, STALLED | {"observedGeneration": 1}), Goal.READY, State.PENDING),
        (_claim(READY, deleting=True), Goal.READY, State.REFUSED),
        (_claim(READY, deleting=True), Goal.DELETED, State.PENDING),
        (None, Goal.DELETED, State.REACHED),
        (None, Goal.READY, State.REFUSED),
    ],
    ids=[
        "nobody looked yet", "ready", "ready before the edit", "progressing", "applied", "stalled", "stalled before the edit",
        "deleting", "being deleted", "deleted", "gone while waiting",
    ],
)  # fmt: skip
def test_a_claim_is_judged_by_what_was_said_of_this_generation(raw: Any, goal: Goal, state: State):
    assert judge(raw, goal).state is state


def test_a_rotation_is_done_when_it_was_handled_and_all_is_well():
    assert rotated(_claim(READY, lastHandledRotation="t"), "t").reached
    assert rotated(_claim(READY, lastHandledRotation="s"), "t").state is State.PENDING
    assert rotated(_claim(STALLED), "t").state is State.REFUSED


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (_claim(), "the operator has not looked at it yet"),
        (_claim(READY | {"observedGeneration": 1}), "the operator has not looked at it yet"),
        (_claim(REFUSED), "InvalidValues: /storageGi: 5000 is more than 1000."),
        (_claim(READY, deleting=True), "the operator has not begun to clean up"),
        (_claim(_condition("Deleting", "True", "WaitingForResources", "PVC x"), deleting=True), "WaitingForResources: PVC x"),
    ],
)  # fmt: skip
def test_what_is_waited_for_is_one_line(raw: dict[str, Any], line: str):
    assert progress(raw) == line


def test_a_ready_claim_tells_its_address_and_how_to_read_its_credentials():
    raw = _claim(
        READY,
        endpoints=[{"name": "loadbalancer", "url": "http://203.0.113.10"}],
        url="http://203.0.113.10",
        credentialsSecretRef={"name": "my-ide-credentials", "keys": ["password", "a.b"]},
    )
    read = "kubectl get secret my-ide-credentials -n team-a -o jsonpath="
    assert list(account.told(raw)) == [
        "Ready: Available. All 9 objects are applied and healthy.",
        "open      http://203.0.113.10",
        f"password  {read}'{{.data.password}}' | base64 -d",
        f"a.b       {read}'{{.data.a\\.b}}' | base64 -d",
    ]


def test_a_refused_claim_tells_the_code_who_must_act_and_what_to_do():
    assert list(account.told(_claim(REFUSED, STALLED, failure=FAILURE))) == [
        "Not ready: InvalidValues. /storageGi: 5000 is more than 1000.",
        "where         /storageGi",
        "who must act  User",
        "what to do    Correct the value at the given path.",
    ]


def test_an_internal_address_comes_with_the_command_that_reaches_it():
    raw = _claim(
        READY,
        endpoints=[{"name": "internal", "url": "http://my-ide.team-a.svc"}],
        url="http://my-ide.team-a.svc",
    )
    assert list(account.told(raw))[1] == (
        "open  http://localhost:8080 after: kubectl port-forward -n team-a service/my-ide 8080:80"
    )


@pytest.mark.parametrize(
    ("url", "command", "local"),
    [
        ("https://x.ns.svc", "kubectl port-forward -n ns service/x 8443:443", "https://localhost:8443"),
        ("http://x.ns.svc:8000", "kubectl port-forward -n ns service/x 8000:8000", "http://localhost:8000"),
    ],
)
def test_a_port_is_forwarded_to_one_that_users_may_open(url: str, command: str, local: str):
    assert account.port_forward(url) == (command, local)


def test_a_row_has_the_desired_and_the_applied_revision():
    history = [{"revision": 1, "commit": "c", "inputDigest": "d", "firstApplied": "t"}]
    raw = _claim(READY, template={"revision": 2, "commit": "c"}, history=history, url="http://x")
    assert account.row(raw, NOW) == (
        "my-ide",
        "code-server",
        "2",
        "1",
        "True",
        "Available",
        "http://x",
        "65s",
    )


def test_a_claim_that_nobody_looked_at_has_a_row_too():
    assert account.row(_claim(), NOW) == ("my-ide", "code-server", "-", "-", "-", "-", "-", "65s")


def test_the_account_names_what_was_asked_for_what_runs_and_what_is_wrong():
    raw = _claim(
        REFUSED,
        template={"revision": 2, "commit": "0123456789abcdef", "available": 3},
        profiles=[{"id": "local", "revision": 4}],
        failure=FAILURE,
        inventory=[{"id": "my-ide-data__PersistentVolumeClaim"}, {"id": "my-ide_apps_Deployment"}],
    )
    raw["spec"]["requestedBy"] = {"username": "alice", "groups": []}
    told = {line[:14].strip(): line[14:] for line in account.account(raw, NOW)}
    assert told == {
        "claim": "my-ide in namespace team-a",
        "age": "65s",
        "template": "code-server",
        "workspace": "team-a",
        "made by": "alice",
        "on deletion": "RetainData: PersistentVolumeClaim/my-ide-data stays",
        "revision": "2 at commit 0123456789ab",
        "update": "revision 3 is there: ocdp claim upgrade my-ide -n team-a",
        "profiles": "local revision 4",
        "failure": "InvalidValues: /storageGi: 5000 is more than 1000.",
        "where": "/storageGi",
        "who must act": "User",
        "what to do": "Correct the value at the given path.",
    }


def test_newer_profiles_are_an_update_that_names_those_that_are_others():
    raw = _claim(
        profiles=[{"id": "local", "revision": 4}, {"id": "acme", "revision": 1}],
        availableProfiles=[{"id": "local", "revision": 5}, {"id": "acme", "revision": 1}],
    )
    assert "update       profile local revision 5 is there: ocdp claim upgrade my-ide -n team-a" in [
        *account.account(raw, NOW)
    ]


def test_several_objects_stay_and_one_stays():
    inventory = [{"id": "my-ide-data__PersistentVolumeClaim"}, {"id": "my-ide-more__PersistentVolumeClaim"}]
    (line,) = [each for each in account.account(_claim(inventory=inventory), NOW) if "on deletion" in each]
    assert line.endswith("PersistentVolumeClaim/my-ide-data, PersistentVolumeClaim/my-ide-more stay")


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("2026-01-02T03:04:05Z", "0s"),
        ("2026-01-02T03:02:06Z", "119s"),
        ("2026-01-02T03:00:05Z", "4m"),
        ("2026-01-01T03:04:05Z", "24h"),
        ("2025-12-02T03:04:05Z", "31d"),
        ("", "-"),
    ],
)
def test_an_age_has_one_unit(since: str, said: str):
    assert account.age(since, NOW) == said


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400)])
def test_a_duration_is_in_seconds(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "5x", "m", "-5m"])
def test_what_is_no_duration_is_wrong_usage(text: str):
    with pytest.raises(typer.BadParameter):
        parse_duration(text)
