"""What may go, what stays, and what waits for an approval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.plan.prune import PrunePlan, approve, approved_digest, mark_healthy, plan_prune
from tests.support.builders import entry

WORKLOAD = entry("Workload", "ide")


def going(kind: str, name: str, **fields) -> Entry:
    return entry(kind, name, desired=False, **fields)


def config(number: int, **fields) -> Entry:
    return entry("ConfigMap", f"ide-config-{number}", content_named=True, **fields)


def plan(
    *entries: Entry,
    applied_ok: bool = True,
    healthy: bool = False,
    used: Iterable[str] = (),
    approval: str = "",
) -> PrunePlan:
    return plan_prune(
        Inventory.of(entries),
        applied_ok=applied_ok,
        healthy=healthy,
        live_references=frozenset(used),
        approval=approval,
    )


def names(entries: Iterable[Entry]) -> list[str]:
    return [str(item.ref) for item in entries]


STAYING = (entry("Deployment", "ide-web"), entry("Service", "ide-web"), entry("Service", "ide-admin"))


def test_removed_component_is_pruned():
    result = plan(*STAYING, going("Ingress", "ide-web"))

    assert names(result.delete) == ["Ingress/ide-web"]
    assert result.keep == ()
    assert result.blocked is None


def test_nothing_is_pruned_while_everything_is_desired():
    assert plan(*STAYING) == PrunePlan()


def test_nothing_is_pruned_after_a_failed_apply():
    result = plan(*STAYING, going("Ingress", "ide-web"), applied_ok=False)

    assert result.delete == ()
    assert names(result.keep) == ["Ingress/ide-web"]
    assert result.blocked is None


def test_objects_go_in_the_reverse_order_of_applying():
    keep = [entry("ConfigMap", f"ide-{n}") for n in range(9)]
    result = plan(
        *keep,
        *(going(kind, "ide-x") for kind in ("ServiceAccount", "Ingress", "Service", "Deployment", "Job")),
    )

    assert names(result.delete) == [
        "Ingress/ide-x",
        "Job/ide-x",
        "Deployment/ide-x",
        "Service/ide-x",
        "ServiceAccount/ide-x",
    ]


def test_a_volume_waits_for_an_approval_and_the_rest_goes():
    result = plan(*STAYING, going("PersistentVolumeClaim", "ide-data"), going("Ingress", "ide-web"))

    assert names(result.delete) == ["Ingress/ide-web"]
    assert names(result.keep) == ["PersistentVolumeClaim/ide-data"]
    assert result.blocked is not None
    assert result.blocked.objects == ("PersistentVolumeClaim/ide-data",)
    assert "Data" in result.blocked.reason


def test_the_credentials_wait_for_an_approval():
    result = plan(*STAYING, going("Secret", "ide-credentials"))

    assert result.blocked is not None
    assert result.delete == ()


def test_more_than_half_of_the_objects_wait_for_an_approval():
    result = plan(entry("Service", "ide-web"), going("Deployment", "ide-web"), going("Ingress", "ide-web"))

    assert result.delete == ()
    assert result.blocked is not None
    assert result.blocked.objects == ("Ingress/ide-web", "Deployment/ide-web")
    assert "2 of 3" in result.blocked.reason


def test_half_of_the_objects_may_go():
    keep = (entry("Service", "ide-web"), entry("Service", "ide-admin"))
    result = plan(*keep, going("Deployment", "ide-web"), going("Ingress", "ide-web"))

    assert len(result.delete) == 2


def test_one_object_may_go_even_when_it_is_more_than_half():
    keep = entry("PersistentVolumeClaim", "ide-data")

    assert names(plan(keep, going("Deployment", "ide-web")).delete) == ["Deployment/ide-web"]


def test_data_content_named_objects_and_the_workload_do_not_count_towards_the_half():
    diluting = (WORKLOAD, entry("Secret", "ide-credentials"), *(config(n) for n in range(9)))
    more = (*diluting, *(entry("PersistentVolumeClaim", f"ide-{n}") for n in range(9)))

    result = plan(
        *more, entry("Service", "ide-web"), going("Deployment", "ide-web"), going("Ingress", "ide-web")
    )

    assert result.blocked is not None
    assert "2 of 3" in result.blocked.reason


def test_content_named_objects_that_go_do_not_count_towards_the_half():
    result = plan(*STAYING, *(going("ConfigMap", f"ide-{n}", content_named=True) for n in range(9)))

    assert len(result.delete) == 9
    assert result.blocked is None


def test_after_an_empty_rendering_nothing_goes_at_all():
    result = plan(
        WORKLOAD,
        entry("Secret", "ide-credentials"),
        going("Deployment", "ide-web"),
        going("ConfigMap", "ide-config-1", content_named=True),
    )

    assert result.delete == ()
    assert result.blocked is not None
    assert result.blocked.objects == ("Deployment/ide-web",)


def test_an_old_configuration_stays_while_it_belongs_to_the_last_healthy_generation():
    old = config(1, desired=False, last_healthy=True)

    assert plan(*STAYING, config(2), old).keep == (old,)


def test_an_old_configuration_goes_once_the_new_generation_is_healthy():
    old = config(1, desired=False, last_healthy=True)

    assert plan(*STAYING, config(2), old, healthy=True).delete == (old,)


def test_an_old_configuration_stays_while_a_pod_refers_to_it():
    old = config(1, desired=False)

    assert plan(*STAYING, config(2), old, healthy=True, used=["ide-config-1"]).keep == (old,)


def test_a_configuration_that_never_was_healthy_goes_even_after_a_failed_apply():
    failed, healthy = config(2, desired=False), config(1, desired=False, last_healthy=True)

    result = plan(*STAYING, config(3), failed, healthy, applied_ok=False)

    assert result.delete == (failed,)
    assert result.keep == (healthy,)


def test_an_entry_without_a_uid_is_never_deleted_and_guards_nothing():
    lost = going("PersistentVolumeClaim", "ide-data", uid="")

    result = plan(*STAYING, lost)

    assert result == PrunePlan()


def test_the_digest_names_exactly_the_blocked_set():
    def digest(*entries: Entry) -> str:
        blocked = plan(*STAYING, *entries).blocked
        assert blocked is not None
        return blocked.digest

    one, two = going("PersistentVolumeClaim", "ide-a"), going("PersistentVolumeClaim", "ide-b")

    assert digest(one, two) == digest(two, one)
    assert digest(one) != digest(two)
    assert digest(one) != digest(one, two)
    assert digest(one) != digest(going("PersistentVolumeClaim", "ide-a", uid="uid-2"))
    assert digest(one) == digest(one, going("Ingress", "ide-web"))


VOLUME = going("PersistentVolumeClaim", "ide-data")


def waiting(*entries: Entry) -> str:
    blocked = plan(*STAYING, *entries).blocked
    assert blocked is not None
    return blocked.digest


def test_the_approved_set_goes():
    result = plan(*STAYING, VOLUME, going("Ingress", "ide-web"), approval=waiting(VOLUME))

    assert names(result.delete) == ["Ingress/ide-web", "PersistentVolumeClaim/ide-data"]
    assert result.approved == (VOLUME,)
    assert result.blocked is None


@pytest.mark.parametrize(
    "now",
    [
        (VOLUME, going("PersistentVolumeClaim", "ide-more")),
        (going("PersistentVolumeClaim", "ide-data", uid="made anew"),),
        (VOLUME, going("Service", "ide-1"), going("Service", "ide-2"), going("Service", "ide-3"), going("Service", "ide-4")),
    ],
    ids=["one more volume", "another volume of that name", "more than half of the rest too"],
)  # fmt: skip
def test_a_set_that_changed_waits_again(now: tuple[Entry, ...]):
    result = plan(*STAYING, *now, approval=waiting(VOLUME))

    assert result.delete == result.approved == ()
    assert result.blocked is not None
    assert result.blocked.digest != waiting(VOLUME)


def test_an_approved_set_waits_until_every_apply_succeeded():
    result = plan(*STAYING, VOLUME, applied_ok=False, approval=waiting(VOLUME))

    assert result.delete == result.approved == ()


def test_what_is_left_of_an_approved_set_goes_without_another_approval():
    left = replace(VOLUME, approved=True)

    assert names(plan(*STAYING, left).delete) == ["PersistentVolumeClaim/ide-data"]
    assert (
        plan(*STAYING, left, going("Secret", "ide-credentials")).blocked
        == plan(*STAYING, going("Secret", "ide-credentials")).blocked
    )


def test_an_approval_is_forgotten_when_the_object_is_wanted_again():
    approved = approve(Inventory.of([VOLUME]), [VOLUME])
    wanted = approved.union(Inventory.of([replace(VOLUME, desired=True)]))

    assert [entry.approved for entry in wanted.union(Inventory())] == [False]


def test_the_digest_of_what_is_approved_is_that_of_its_set():
    inventory = Inventory.of([*STAYING, VOLUME])

    assert approved_digest(approve(inventory, [VOLUME])) == waiting(VOLUME)
    assert approved_digest(inventory) != waiting(VOLUME)


def test_a_healthy_generation_is_the_one_to_keep():
    marked = mark_healthy(
        Inventory.of(
            [
                entry("Service", "ide-web"),
                config(1, desired=False, last_healthy=True),
                config(2, desired=True),
            ]
        )
    )

    assert names(e for e in marked if e.last_healthy) == ["ConfigMap/ide-config-2"]
    assert mark_healthy(marked) == marked


KINDS = ["Deployment", "Service", "ConfigMap", "PersistentVolumeClaim", "Secret", "Workload"]
ENTRIES = st.lists(
    st.builds(
        lambda kind, name, uid, flags: entry(
            kind, f"ide-{name}", uid=uid, desired=flags[0], last_healthy=flags[1],
            content_named=flags[2] and kind == "ConfigMap",
        ),
        st.sampled_from(KINDS),
        st.sampled_from("abcdef"),
        st.sampled_from(["", "u"]),
        st.tuples(st.booleans(), st.booleans(), st.booleans()),
    ),
    unique_by=lambda e: e.ref,
)  # fmt: skip


@given(
    entries=ENTRIES, applied_ok=st.booleans(), healthy=st.booleans(), used=st.sets(st.sampled_from("abcdef"))
)
def test_every_undesired_entry_has_one_fate_and_data_never_goes(entries, applied_ok, healthy, used):
    result = plan(*entries, applied_ok=applied_ok, healthy=healthy, used={f"ide-{name}" for name in used})

    fates = [*result.delete, *result.keep]
    assert sorted(names(fates)) == sorted(names(e for e in entries if not e.desired and e.uid))
    assert all(e.uid and not e.is_data for e in result.delete)
    assert applied_ok or all(e.content_named for e in result.delete)
    assert {e.ref.name for e in result.delete if e.content_named}.isdisjoint({f"ide-{name}" for name in used})
