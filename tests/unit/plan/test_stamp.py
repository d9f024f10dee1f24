"""Stamps: whose objects these are, in which order they are applied, and what is recorded of them."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.claim import ClaimStatus, DeletionPolicy
from ocdp_operator.model.conditions import Condition, Conditions, Truth
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID, CREDENTIALS_VERSION, OWNER, WORKSPACE
from ocdp_operator.model.objects import Manifest, Mark
from ocdp_operator.model.secrets import Credentials
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.health import assess
from ocdp_operator.plan.profiles import merge
from ocdp_operator.plan.stamp import Desired, stamp, without_idle_secret, workload_manifest, workload_status
from tests.support import builders
from tests.support.builders import NAMESPACE, changed, entry, manifest, pod_spec, ref, resolved, template

UID = builders.CLAIM_UID
SECRET = manifest("Secret", "ide-credentials", type="Opaque")
FROM_SECRET = {"valueFrom": {"secretKeyRef": {"name": "ide-credentials", "key": "K"}}}


def stamped(*manifests: Manifest, workload=None, data=None, version=1, content_named=()) -> Desired:
    return stamp(
        Rendering(manifests),
        workload or resolved(),
        claim_uid=UID,
        credentials=Credentials(data or {}, version),
        content_named=frozenset(content_named),
    )


def body(*manifests: Manifest, **how):
    return stamped(*manifests, **how).manifests[0].body


def test_objects_carry_the_mark_and_the_labels():
    metadata = body(manifest("Service", "ide-web"))["metadata"]

    assert Mark.parse(metadata["annotations"][OWNER]) == Mark(
        UID, NAMESPACE, "ide", ref("Service", "ide-web")
    )
    assert metadata["labels"] == {
        CLAIM_UID: UID,
        CLAIM_NAME: "ide",
        WORKSPACE: "team-a",
        "app.kubernetes.io/managed-by": "ocdp-operator",
    }
    assert "ownerReferences" not in metadata


def test_labels_and_annotations_of_the_base_stay():
    metadata = body(
        manifest("Service", "ide-web", metadata={"labels": {"a": "b"}, "annotations": {"c": "d"}})
    )

    assert metadata["metadata"]["labels"]["a"] == "b"
    assert metadata["metadata"]["annotations"]["c"] == "d"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_pod_templates_carry_the_claims_name_and_no_mark(kind):
    metadata = body(manifest(kind, "ide-web"))["spec"]["template"]["metadata"]

    assert metadata == {"labels": {"app.kubernetes.io/instance": "ide", CLAIM_NAME: "ide"}}


def test_volume_claim_templates_are_left_alone():
    claims = [{"metadata": {"name": "data"}, "spec": {}}]
    sent = body(changed(manifest("StatefulSet", "ide-db"), "/spec/volumeClaimTemplates", claims))

    assert sent["spec"]["volumeClaimTemplates"] == claims


def test_the_credentials_secret_is_filled():
    assert body(SECRET, data={"K": "dmFsdWU="})["data"] == {"K": "dmFsdWU="}


@pytest.mark.parametrize(
    ("held", "recorded", "reads", "kept"),
    [
        pytest.param(False, False, False, False, id="it is idle"),
        pytest.param(True, False, False, True, id="it holds a key"),
        pytest.param(False, True, False, True, id="it is there already"),
        pytest.param(False, False, True, True, id="a pod reads it"),
    ],
)
def test_an_idle_credentials_secret_is_no_object(held: bool, recorded: bool, reads: bool, kept: bool):
    reader = uses(containers=[{"name": "a", "envFrom": [{"secretRef": {"name": "ide-credentials"}}]}])
    rendering = Rendering((SECRET, reader if reads else manifest("Deployment", "ide-web")))

    found = without_idle_secret(rendering, resolved(), held=held, recorded=recorded)

    assert {m.ref.kind for m in found.manifests} == ({"Secret", "Deployment"} if kept else {"Deployment"})


def test_no_secret_value_reaches_the_inventory():
    desired = stamped(SECRET, data={"K": "Y2FuYXJ5"})

    assert "Y2FuYXJ5" not in str(desired.inventory.to_wire())
    assert desired.inventory == stamped(SECRET, data={"K": "b3RoZXI="}).inventory
    assert desired.inventory != stamped(SECRET, data={"L": "Y2FuYXJ5"}).inventory


def test_values_made_anew_are_sent_though_no_digest_holds_them():
    first, second = (stamped(SECRET, data={"K": "dg=="}, version=version).manifests[0] for version in (1, 2))

    assert first.sent_digest != second.sent_digest


def test_no_secret_value_is_shown():
    assert "Y2FuYXJ5" not in repr(stamped(SECRET, data={"K": "Y2FuYXJ5"}))


def uses(**fields):
    return manifest("Deployment", "ide-web", spec={"template": {"spec": pod_spec(**fields)}})


@pytest.mark.parametrize(
    "deployment",
    [
        pytest.param(uses(containers=[{"name": "a", "env": [FROM_SECRET]}]), id="env"),
        pytest.param(uses(initContainers=[{"name": "a", "env": [FROM_SECRET]}]), id="env of an initContainer"),
        pytest.param(
            uses(containers=[{"name": "a", "envFrom": [{"secretRef": {"name": "ide-credentials"}}]}]), id="envFrom"
        ),
        pytest.param(uses(volumes=[{"name": "v", "secret": {"secretName": "ide-credentials"}}]), id="volume"),
        pytest.param(
            uses(volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "ide-credentials"}}]}}]),
            id="projected",
        ),
    ],
)  # fmt: skip
def test_pods_that_use_the_credentials_roll_with_their_version(deployment):
    template_metadata = body(deployment, version=7)["spec"]["template"]["metadata"]

    assert template_metadata["annotations"] == {CREDENTIALS_VERSION: "7"}


@pytest.mark.parametrize(
    "deployment",
    [
        pytest.param(uses(), id="no Secret"),
        pytest.param(uses(volumes=[{"name": "v", "secret": {"secretName": "other"}}]), id="another Secret"),
        pytest.param(
            uses(volumes=[{"name": "v", "configMap": {"name": "ide-credentials"}}]),
            id="a ConfigMap of its name",
        ),
    ],
)
def test_other_pods_do_not_roll(deployment):
    assert "annotations" not in body(deployment)["spec"]["template"]["metadata"]


def test_a_job_never_rolls_since_its_template_cannot_change():
    job = manifest(
        "Job", "ide-setup", spec={"template": {"spec": pod_spec(containers=[{"env": [FROM_SECRET]}])}}
    )

    assert "annotations" not in body(job)["spec"]["template"]["metadata"]


@pytest.mark.parametrize(
    ("policy", "deleted"), [(DeletionPolicy.RETAIN_DATA, "Retain"), (DeletionPolicy.DELETE, "Delete")]
)
def test_volumes_of_a_stateful_set_follow_the_deletion_policy(policy, deleted):
    sent = body(manifest("StatefulSet", "ide-db"), workload=resolved(deletion_policy=policy))

    retention = sent["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert retention == {"whenDeleted": deleted, "whenScaled": "Retain"}


def test_objects_are_applied_by_wave_then_kind_then_name():
    kinds = [
        ("HorizontalPodAutoscaler", "ide-a"), ("Ingress", "ide-a"), ("PodDisruptionBudget", "ide-a"), ("Job", "ide-a"),
        ("StatefulSet", "ide-a"), ("Deployment", "ide-b"), ("Deployment", "ide-a"), ("Service", "ide-a"),
        ("PersistentVolumeClaim", "ide-a"), ("Secret", "ide-credentials"), ("ConfigMap", "ide-a"),
        ("NetworkPolicy", "ide-a"), ("ServiceAccount", "ide-a"),
    ]  # fmt: skip

    desired = stamped(*(manifest(kind, name) for kind, name in kinds))

    assert [str(m.ref) for m in desired.manifests] == [
        "ServiceAccount/ide-a", "NetworkPolicy/ide-a", "ConfigMap/ide-a", "Secret/ide-credentials",
        "PersistentVolumeClaim/ide-a", "Service/ide-a", "Deployment/ide-a", "Deployment/ide-b", "StatefulSet/ide-a",
        "Job/ide-a-64b2kt94m4", "PodDisruptionBudget/ide-a", "Ingress/ide-a", "HorizontalPodAutoscaler/ide-a",
    ]  # fmt: skip


def test_every_manifest_is_recorded_with_what_is_sent():
    desired = stamped(manifest("Service", "ide-web"), manifest("Deployment", "ide-web"))

    assert len(desired.inventory) == 2
    for sent in desired.manifests:
        recorded = desired.inventory.get(sent.ref)
        assert recorded is not None
        assert recorded.sent == sent.sent_digest
        assert recorded.wave == sent.ref.known_kind.wave
        assert (recorded.uid, recorded.applied, recorded.desired) == ("", "", True)


@pytest.mark.parametrize(
    ("kind", "name", "is_content_named"),
    [
        ("ConfigMap", "ide-config-2ggt7d8bmk", True),
        ("ConfigMap", "ide-config", False),
        ("ConfigMap", "ide-config-2ggt7d8bm", False),
        ("ConfigMap", "ide-config-aaaaaaaaaa", False),
        ("ConfigMap", "ide-other-2ggt7d8bmk", False),
        ("ConfigMap", "other-config-2ggt7d8bmk", False),
        ("Service", "ide-config-2ggt7d8bmk", False),
    ],
)
def test_generated_config_maps_are_known_by_their_name(kind, name, is_content_named):
    desired = stamped(manifest(kind, name), content_named=["config"])

    assert next(iter(desired.inventory)).content_named is is_content_named


def test_stamping_changes_nothing_in_place_and_the_same_input_gives_the_same_output():
    rendering = [manifest("StatefulSet", "ide-db"), SECRET, uses(containers=[{"env": [FROM_SECRET]}])]
    before = deepcopy([m.body for m in rendering])

    first, second = stamped(*rendering, data={"K": "dg=="}), stamped(*rendering, data={"K": "dg=="})

    assert [m.body for m in rendering] == before
    assert first == second


def test_the_workload_is_marked_and_owned_by_the_claim():
    sent = workload_manifest(resolved(revision=template(3)), claim_uid=UID, input_digest="abc")
    metadata = sent.body["metadata"]

    assert sent == Manifest.of(sent.body)
    assert (metadata["name"], metadata["namespace"]) == ("ide", NAMESPACE)
    assert Mark.parse(metadata["annotations"][OWNER]) == Mark(UID, NAMESPACE, "ide", ref("Workload", "ide"))
    assert metadata["labels"][CLAIM_UID] == UID
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "ocdp.io/v1alpha1",
            "kind": "WorkloadClaim",
            "name": "ide",
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert "finalizers" not in metadata
    spec = sent.body["spec"]
    assert (spec["claim"], spec["templateId"], spec["templateRevision"]) == ("ide", "code-server", 3)
    assert (spec["inputDigest"], spec["source"]["commit"]) == ("abc", builders.COMMIT)
    assert "profiles" not in spec


def test_the_workload_names_the_profiles_that_it_was_made_with():
    environment = merge([builders.profile("cluster", "local", revision=3)])
    sent = workload_manifest(resolved(environment=environment), claim_uid=UID, input_digest="abc")
    assert sent.body["spec"]["profiles"] == [{"id": "local", "revision": 3}]


def test_the_workloads_status_repeats_the_claims_conditions_and_lists_the_objects():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    conditions = Conditions()
    for type_ in ("Ready", "Applied", "Healthy"):
        conditions = conditions.put(
            Condition(type=type_, status=Truth.TRUE, reason=Reason.APPLY_SUCCEEDED, observed_generation=9),
            now=now,
        )
    health = assess(Inventory.of([entry("ConfigMap", "ide-config")]), {})

    status = workload_status(ClaimStatus(conditions=tuple(conditions)), health, generation=2)

    assert status["observedGeneration"] == 2
    assert [c["type"] for c in status["conditions"]] == ["Applied", "Healthy"]
    assert all(c["observedGeneration"] == 2 for c in status["conditions"])
    assert all(c["lastTransitionTime"] == "2026-01-01T00:00:00Z" for c in status["conditions"])
    assert [o["name"] for o in status["objects"]] == ["ide-config"]


def test_the_workloads_status_before_anything_is_known_is_empty():
    assert workload_status(ClaimStatus(), None, generation=1) == {
        "observedGeneration": 1,
        "conditions": [],
        "objects": [],
    }
