"""Every failure reason is raised by a test on real parts: an API server, PostgreSQL, Git or kustomize; here is which.

The table is checked: a reason without an entry, a test that is gone, or one that does not name its reason fails.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ocdp_operator.errors import FAILURES, Reason

TESTS = Path(__file__).parents[1]
REAL = ("e2e", "integration", "contract", "adversarial")

RAISED_BY: dict[Reason, str] = {
    Reason.TEMPLATE_NOT_AVAILABLE: "e2e/test_bad_input.py::test_unknown_and_forbidden_templates_read_the_same",
    Reason.ACCESS_REVOKED: "integration/catalog/test_reasons.py::test_an_offer_that_was_taken_back_stops_a_claim_that_ran",
    Reason.TEMPLATE_DISABLED: "integration/catalog/test_reasons.py::test_a_disabled_template_takes_no_new_claim",
    Reason.REVISION_NOT_FOUND: "integration/catalog/test_reasons.py::test_a_revision_that_was_never_published_is_refused",
    Reason.WORKSPACE_MISMATCH: "e2e/test_tenants.py::test_a_claim_in_a_namespace_that_was_never_placed_gets_no_finalizer",
    Reason.IDENTITY_UNVERIFIED: (
        "integration/catalog/test_reasons.py::test_a_binding_to_somebody_unproven_is_refused_by_that_reason"
    ),
    Reason.PROFILE_INCOMPLETE: "integration/catalog/test_reasons.py::test_a_field_that_no_profile_has_is_named",
    Reason.SECRET_NOT_CLAIMABLE: (
        "integration/cluster/test_secret_references.py::test_a_secret_that_is_not_offered_is_not_claimable"
    ),
    Reason.INVALID_VALUES: "e2e/test_bad_input.py::test_wrong_values_are_named_by_their_path",
    Reason.VALUES_TOO_LARGE: "e2e/test_bad_input.py::test_a_mebibyte_of_values_is_refused",
    Reason.INVALID_CLAIM: (
        "adversarial/test_39_poison_claims.py::test_39_forged_annotations_and_huge_ones_spoil_one_claim_at_most"
    ),
    Reason.CATALOG_UNAVAILABLE: "e2e/test_outages.py::test_without_the_catalog_what_runs_goes_on_and_a_delete_completes",
    Reason.AUTHENTICATION_FAILED: "contract/test_sources.py::test_a_repository_that_wants_credentials_is_waited_for",
    Reason.URL_NOT_ALLOWED: "contract/test_sources.py::test_a_url_that_is_not_listed_is_refused",
    Reason.REF_NOT_FOUND: "integration/git/test_mirrors.py::test_refs_resolve_as_git_resolves_them",
    Reason.INVALID_PATH: "e2e/test_bad_input.py::test_a_path_that_does_not_exist_stalls_the_claim",
    Reason.SOURCE_TOO_LARGE: "contract/test_sources.py::test_a_file_that_is_too_large_is_refused",
    Reason.GIT_OPERATION_FAILED: "e2e/test_outages.py::test_without_git_a_new_claim_waits_and_a_known_commit_still_serves",
    Reason.BUILD_FAILED: "adversarial/test_27_ends.py::test_27_a_render_that_is_killed_is_told_and_tried_again",
    Reason.EMPTY_BUILD: "integration/kustomize/test_forbidden.py::test_a_base_that_renders_nothing_is_refused",
    Reason.UNSAFE_BUILD: "e2e/test_bad_input.py::test_a_bad_base_is_refused_before_the_first_write",
    Reason.POLICY_DENIED: "integration/kustomize/test_forbidden.py::test_a_forbidden_thing_reaches_the_policy_and_is_refused",
    Reason.NAME_NOT_ALLOWED: "integration/kustomize/test_forbidden.py::test_a_name_that_the_claims_makes_too_long_is_refused",
    Reason.IMMUTABLE_FIELD_CONFLICT: "integration/cluster/test_refusals.py::test_volume_that_may_neither_grow_nor_shrink_says_so",
    Reason.OWNERSHIP_CONFLICT: (
        "adversarial/test_20_objects_of_others.py::"
        "test_20_an_object_of_somebody_else_is_neither_taken_nor_changed_nor_deleted"
    ),
    Reason.NODE_PORT_TAKEN: (
        "e2e/test_exposure.py::test_a_node_port_is_within_the_range_stays_and_is_never_taken_from_who_has_it"
    ),
    Reason.HOST_TAKEN: "e2e/test_exposure.py::test_a_host_is_the_first_claims_until_it_goes",
    Reason.FORBIDDEN: (
        "adversarial/test_31_rights.py::test_31_without_rights_in_a_namespace_the_claim_says_so_and_others_go_on"
    ),
    Reason.QUOTA_EXCEEDED: "integration/cluster/test_refusals.py::test_exceeded_quota_is_waited_for_with_its_numbers",
    Reason.NAMESPACE_TERMINATING: "integration/cluster/test_refusals.py::test_terminating_namespace_is_waited_for",
    Reason.APPLY_FAILED: "integration/cluster/test_refusals.py::test_admission_policy_is_named_with_its_message",
    Reason.CLUSTER_UNAVAILABLE: "integration/cluster/test_client.py::test_server_that_is_away_is_waited_for",
    Reason.PRUNE_FAILED: "integration/cluster/test_refused_deletions.py::test_deletion_that_a_policy_refuses_is_named_with_its_message",
    Reason.INTERNAL_ERROR: "integration/cluster/test_refusals.py::test_claim_that_its_crd_refuses_is_our_own_fault",
}


def test_every_failure_reason_has_its_test_and_nothing_else_has():
    assert sorted(RAISED_BY) == sorted(FAILURES)


@pytest.mark.parametrize("reason", RAISED_BY)
def test_the_test_exists_works_on_real_parts_and_names_its_reason(reason: Reason):
    path, _, name = RAISED_BY[reason].partition("::")
    assert path.split("/")[0] in REAL
    source = (TESTS / path).read_text()
    module = ast.parse(source)
    found = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    assert len(found) == 1, f"{path} has no test {name}"
    # In the test itself, in what its table of cases says, or in a check that it calls: not in another test.
    shared = [node for node in module.body if not getattr(node, "name", "").startswith(("test_", "Test"))]
    said = "\n".join(ast.get_source_segment(source, node) or "" for node in (*shared, *found))
    said += "\n".join(
        ast.get_source_segment(source, each) or "" for node in found for each in node.decorator_list
    )
    assert re.search(rf"\b({reason.name}|{reason.value})\b", said), f"{name} does not name {reason.value}"
