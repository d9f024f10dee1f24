"""Refusals that a test cluster does not make by itself. Those that it makes are in tests/integration/cluster."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ocdp_operator.adapters.cluster.client import Answer
from ocdp_operator.adapters.cluster.refusals import Request, require
from ocdp_operator.errors import Conflict, Reason, ReconcileError, Stalled, Waiting
from ocdp_operator.model.objects import ObjectRef

APP = Request("apply", ObjectRef("apps", "Deployment", "ide"), "team-a")
CREDENTIALS = Request("apply", ObjectRef("", "Secret", "ide-credentials"), "team-a")
CLAIM = Request("patch", ObjectRef("ocdp.io", "WorkloadClaim", "ide"), "team-a")
SECRET_WORD = "hunter2"


def answer(code: int, message: str = "", **details: Any) -> Answer:
    return Answer(code, orjson.dumps({"kind": "Status", "message": message, "details": details}))


def invalid(*causes: tuple[str, str, str]) -> Answer:
    return answer(422, "is invalid", causes=[{"reason": r, "message": m, "field": f} for r, m, f in causes])


def refusal(given: Answer, request: Request = APP) -> ReconcileError:
    with pytest.raises(ReconcileError) as caught:
        require(given, request)
    return caught.value


def test_answer_that_is_no_refusal_is_the_object() -> None:
    assert require(Answer(200, b'{"a": 1}'), APP) == {"a": 1}


@pytest.mark.parametrize(
    ("given", "kind", "reason", "says"),
    [
        pytest.param(answer(401), Waiting, Reason.FORBIDDEN, "login", id="401"),
        pytest.param(answer(429), Waiting, Reason.CLUSTER_UNAVAILABLE, "more requests", id="429"),
        pytest.param(answer(500), Waiting, Reason.CLUSTER_UNAVAILABLE, "HTTP status 500", id="500"),
        pytest.param(answer(504), Waiting, Reason.CLUSTER_UNAVAILABLE, "HTTP status 504", id="504"),
        pytest.param(answer(410), Waiting, Reason.CLUSTER_UNAVAILABLE, "the rest of the list", id="410"),
        pytest.param(answer(400), Stalled, Reason.APPLY_FAILED, "HTTP status 400", id="400"),
        pytest.param(answer(413), Stalled, Reason.APPLY_FAILED, "HTTP status 413", id="413"),
        pytest.param(
            Answer(503, b"<html>"), Waiting, Reason.CLUSTER_UNAVAILABLE, "HTTP status 503", id="not ours"
        ),
        pytest.param(
            answer(409, kind="resourcequotas"),
            Waiting,
            Reason.QUOTA_EXCEEDED,
            "being counted",
            id="quota race",
        ),
        pytest.param(
            answer(403, 'deployments.apps "ide" is forbidden: failed quota: q: must specify limits.cpu'),
            Waiting,
            Reason.QUOTA_EXCEEDED,
            "must specify limits.cpu",
            id="quota that wants limits",
        ),
        pytest.param(
            answer(403, 'deployments.apps "ide" is forbidden: not on Fridays'),
            Waiting,
            Reason.FORBIDDEN,
            "forbids it: not on Fridays",
            id="admission plugin",
        ),
        pytest.param(
            answer(500, "Internal error occurred: failed to allocate a nodePort: range is full"),
            Waiting,
            Reason.NODE_PORT_TAKEN,
            "the cluster has no free node port",
            id="no node port left",
        ),
        pytest.param(
            answer(400, 'admission webhook "w.test" denied the request: no tags please'),
            Stalled,
            Reason.APPLY_FAILED,
            'admission webhook "w.test" refuses it: no tags please',
            id="webhook",
        ),
        pytest.param(
            answer(403, 'admission webhook "w.test" denied the request without explanation'),
            Stalled,
            Reason.APPLY_FAILED,
            'admission webhook "w.test" refuses it',
            id="webhook without words",
        ),
        pytest.param(
            invalid(), Stalled, Reason.APPLY_FAILED, "does not say why", id="invalid without causes"
        ),
    ],
)
def test_refusal_is_classified(given: Answer, kind: type, reason: Reason, says: str) -> None:
    error = refusal(given)
    assert isinstance(error, kind)
    assert error.reason is reason
    assert says in error.message


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(answer(409), id="changed"),
        pytest.param(answer(404, name="ide", kind="deployments"), id="gone"),
        pytest.param(invalid(("FieldValueInvalid", "field is immutable", "metadata.uid")), id="replaced"),
    ],
)
def test_somebody_wrote_first(given: Answer) -> None:
    with pytest.raises(Conflict):
        require(given, APP)


def test_fields_are_named_once_and_the_first_few_only() -> None:
    causes = [
        ("FieldValueRequired", f'Required value: "{SECRET_WORD}"', f"spec.f{number % 9}")
        for number in range(18)
    ]
    error = refusal(invalid(*causes))
    assert error.message.count("spec.f0") == 1
    assert "spec.f8" not in error.message
    assert SECRET_WORD not in error.message


def test_secret_is_never_quoted() -> None:
    for given in (
        answer(400, f'admission webhook "w.test" denied the request: {SECRET_WORD}'),
        answer(403, f'secrets "x" is forbidden: {SECRET_WORD}'),
        answer(500, f"failed to create typed patch object (a/b; v1, Kind=Secret): .data.A: {SECRET_WORD}"),
        answer(400, f"json: cannot decode {SECRET_WORD}"),
        invalid(("FieldValueInvalid", f'Invalid value: "{SECRET_WORD}"', "data[A]")),
    ):
        assert SECRET_WORD not in str(refusal(given, CREDENTIALS))


def test_claim_that_is_refused_points_to_its_crd() -> None:
    error = refusal(invalid(("FieldValueInvalid", "field is immutable", "status.x")), CLAIM)
    assert isinstance(error, Waiting)
    assert error.reason is Reason.INTERNAL_ERROR
    assert "CRDs" in error.remedy


IMMUTABLE = Reason.IMMUTABLE_FIELD_CONFLICT
FORBIDDEN, INVALID = "FieldValueForbidden", "FieldValueInvalid"


@pytest.mark.parametrize(
    ("reason", "text", "meant"),
    [
        (INVALID, 'Invalid value: {"matchLabels":{"a":"b"}}: field is immutable', IMMUTABLE),
        (INVALID, 'Invalid value: ["10.0.0.1"]: may not change once set', IMMUTABLE),
        (FORBIDDEN, "Forbidden: field is immutable when `immutable` is set", IMMUTABLE),
        (FORBIDDEN, "Forbidden: spec is immutable after creation except resources.requests", IMMUTABLE),
        (FORBIDDEN, "Forbidden: updates to statefulset spec for fields other than 'a' are forbidden", IMMUTABLE),
        (FORBIDDEN, "Forbidden: field can not be less than status.capacity", IMMUTABLE),
        (INVALID, 'Invalid value: "immutable": must be a label', Reason.APPLY_FAILED),
        (INVALID, 'Invalid value: "x: field is immutable": must be a label', Reason.APPLY_FAILED),
        (INVALID, 'Invalid value: "x": must not be immutable here', Reason.APPLY_FAILED),
        (FORBIDDEN, "Forbidden: may not be set for an immutable volume", Reason.APPLY_FAILED),
        ("FieldValueNotSupported", 'Unsupported value: "cannot be changed"', Reason.APPLY_FAILED),
    ],
)  # fmt: skip
def test_a_422_is_not_called_immutable_for_a_word_in_it(reason: str, text: str, meant: Reason) -> None:
    error = refusal(invalid((reason, text, "spec.field")))
    assert error.reason is meant
    assert "spec.field" in error.message


def test_long_texts_are_cut() -> None:
    assert len(refusal(answer(403, "is forbidden: " + "x" * 5000)).message) < 500


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_what_somebody_made_immutable_is_made_anew_once_it_is_deleted(kind: str) -> None:
    text = "Forbidden: field is immutable when `immutable` is set"
    error = refusal(invalid((FORBIDDEN, text, "data")), Request("apply", ObjectRef("", kind, "ide-x"), "ns"))
    assert isinstance(error, Stalled)
    assert error.message == f"{kind}/ide-x: data cannot be changed."
    assert error.remedy.startswith(f"Somebody made it immutable. Delete {kind}/ide-x: it is made anew")
