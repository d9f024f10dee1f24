"""An object of a claim means the pods and workloads of that claim, and of no other in the namespace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Reason
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.policy import check
from ocdp_operator.plan.selectors import SELECTORS
from tests.support.builders import changed, resolved
from tests.support.renderings import BUDGET, CLEAN, DEPLOYMENT, DOMAINS, NETWORK, SCALER, SERVICE, refusal

BY_KIND = {each.ref.kind: each for each in CLEAN if each.ref.kind in SELECTORS}

REACHING = [
    ("another claim's deployment scaled", changed(SCALER, "/spec/scaleTargetRef/name", "other-web")),
    ("pods of every claim", changed(SERVICE, "/spec/selector", {"app.kubernetes.io/name": "code-server"})),
    ("pods of another claim", changed(SERVICE, "/spec/selector", {"app.kubernetes.io/instance": "other"})),
    ("a selector of no shape", changed(SERVICE, "/spec/selector", "app")),
    ("the network of every claim", changed(NETWORK, "/spec/podSelector", {})),
    ("the evictions of every claim", changed(BUDGET, "/spec/selector", {})),
    ("no pods, so that others say where to", changed(SERVICE, "/spec/selector", None)),
    ("an empty selector", changed(SERVICE, "/spec/selector", {})),
    ("no network", changed(NETWORK, "/spec/podSelector", None)),
    ("a custom resource scaled", changed(SCALER, "/spec/scaleTargetRef/apiVersion", "example.test/v1")),
    ("another kind scaled", changed(SCALER, "/spec/scaleTargetRef/kind", "ReplicaSet")),
    ("nothing scaled", changed(SCALER, "/spec/scaleTargetRef", None)),
    ("traffic of another claim", changed(
        DEPLOYMENT, "/spec/template/metadata/labels", {"app.kubernetes.io/instance": "other"}
    )),
]  # fmt: skip


@pytest.mark.parametrize("refused", [pytest.param(each, id=what) for what, each in REACHING])
def test_what_is_another_claims_is_not_reached(refused):
    companions = [each for each in (SERVICE, DEPLOYMENT) if each.ref != refused.ref]

    error = refusal(*companions, refused)

    assert error.reason is Reason.POLICY_DENIED
    assert f"{refused.ref.kind}/{refused.ref.name}" in error.message


def test_every_kind_that_selects_is_judged():
    assert set(BY_KIND) == set(SELECTORS)


LABELS = st.dictionaries(
    st.sampled_from(
        [
            "app",
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "ocdp.io/claim-name",
            "ocdp.io/claim-uid",
        ]
    ),
    st.sampled_from(["ide", "other", "", "ide-web", "IDE"]),
)


@given(kind=st.sampled_from(sorted(SELECTORS)), labels=LABELS)
def test_a_selector_passes_exactly_when_it_holds_the_claims_name(kind, labels):
    selecting = changed(BY_KIND[kind], "/" + "/".join(SELECTORS[kind]), labels)
    own = "ide" in (labels.get("app.kubernetes.io/instance"), labels.get("ocdp.io/claim-name"))

    if own:
        check(Rendering((selecting,)), resolved(), DOMAINS)
    else:
        assert "selects no pods of other claims" in refusal(selecting).message


def test_expressions_only_narrow_a_selector():
    expression = [{"key": "app", "operator": "In", "values": ["x"]}]
    narrowed = changed(BUDGET, "/spec/selector/matchExpressions", expression)

    check(Rendering((narrowed,)), resolved(), DOMAINS)
    assert (
        refusal(changed(BUDGET, "/spec/selector", {"matchExpressions": expression})).reason
        is Reason.POLICY_DENIED
    )
