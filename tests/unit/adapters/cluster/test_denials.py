"""What a user reads when the API server says no."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ocdp_operator.adapters.cluster.client import Answer
from ocdp_operator.adapters.cluster.denials import Asked, denial
from ocdp_operator.errors import Refused, Waiting

ASKED = Asked("create", "team-a", "my-ide")
POLICY = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: Ask your platform team."


def answer(code: int, message: str = "", **status: Any) -> Answer:
    return Answer(code, orjson.dumps({"kind": "Status", "message": message, **status}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(answer(401, "Unauthorized"), "does not accept the kubeconfig's login", id="login"),
        pytest.param(
            answer(403, 'workloadclaims.ocdp.io is forbidden: User "bob" cannot create resource "workloadclaims" in API group "ocdp.io" in the namespace "team-a"'),
            "The user bob may not create workloadclaims in namespace team-a.",
            id="rights",
        ),
        pytest.param(answer(403, f"x is forbidden: {POLICY}"), "The claim my-ide in namespace team-a is refused: Ask your platform team.", id="policy"),
        pytest.param(answer(422, POLICY), "The claim my-ide in namespace team-a is refused: Ask your platform team.", id="policy of 422"),
        pytest.param(answer(403, "x is forbidden: exceeded quota: claims, limited: count/claims=1"), "is refused: exceeded quota: claims", id="quota"),
        pytest.param(answer(404, details={"kind": "namespaces"}), "There is no namespace team-a.", id="namespace"),
        pytest.param(answer(404, details={"kind": "workloadclaims"}), "There is no claim my-ide in namespace team-a.", id="claim"),
        pytest.param(Answer(404, b"404 page not found\n"), "This cluster does not know claims.", id="no CRD"),
        pytest.param(answer(409, reason="AlreadyExists"), "There is a claim my-ide in namespace team-a already.", id="there already"),
        pytest.param(answer(409, reason="Conflict"), "was changed at the same moment", id="conflict"),
        pytest.param(answer(418, "I am a teapot."), "is refused: I am a teapot.", id="unknown"),
    ],
)  # fmt: skip
def test_a_refusal_is_a_sentence(given: Answer, said: str):
    error = denial(given, ASKED)
    assert isinstance(error, Refused)
    assert said in str(error)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_that_cannot_answer_now_may_be_asked_again(code: int):
    assert isinstance(denial(answer(code), ASKED), Waiting)


def test_every_fault_of_a_claim_is_listed_without_the_servers_own_preamble():
    causes = [
        {"field": "<nil>", "message": 'Invalid value: "object": metadata.name must be a DNS label'},
        {"field": "spec.templateId", "message": 'Invalid value: "string": templateId cannot be changed'},
        {"field": "spec.templateId", "message": 'Invalid value: "string": templateId cannot be changed'},
    ]
    error = denial(answer(422, "WorkloadClaim is invalid", details={"causes": causes}), ASKED)
    assert str(error).splitlines() == [
        "The claim my-ide in namespace team-a is not valid:",
        "  metadata.name must be a DNS label",
        "  spec.templateId: templateId cannot be changed",
    ]
