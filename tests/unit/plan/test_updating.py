"""What becomes of an object that lives, for each kind: in place, larger, anew around its pods, or refused with the reason."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.updating import Way, plan_growth, plan_update
from tests.support.cluster_worlds import config_map, deployment, service, stateful_set
from tests.support.live_objects import changed, job, lived, volume, with_template

EXPANDS = {"fast": True, "stiff": False}
BOUND = {"status": {"phase": "Bound", "capacity": {"storage": "2Gi"}}}
POD = "spec.template.spec"


@dataclass(frozen=True)
class Case:
    """An object as it was sent, what is sent now, and what is planned."""

    was: dict[str, Any]
    path: str
    value: Any
    way: Way
    says: str = ""
    server: dict[str, Any] | None = None
    """What the API server added."""
    restarts: bool = False
    risks_data: bool = False


def fast(**spec: Any) -> dict[str, Any]:
    return volume(storageClassName="fast", **spec)


SIZE = "spec.resources.requests.storage"
CLAIMED = "spec.volumeClaimTemplates.0.spec"
CASES = {
    "nothing": Case(deployment(), "spec.replicas", 1, Way.UNCHANGED),
    "replicas": Case(deployment(), "spec.replicas", 2, Way.IN_PLACE),
    "an image": Case(deployment(), f"{POD}.containers.0.image", "app:2", Way.IN_PLACE, restarts=True),
    "selector of a Deployment": Case(
        deployment(),
        "spec.selector.matchLabels.more",
        "hunter2",
        Way.REFUSED,
        "/spec/selector cannot be changed",
    ),
    "image of a Job": Case(
        job(), f"{POD}.containers.0.image", "app:2", Way.REFUSED, "/spec/template cannot be changed"
    ),
    "parallelism of a Job": Case(job(), "spec.parallelism", 2, Way.IN_PLACE),
    "the same size in other words": Case(fast(), SIZE, "2048Mi", Way.UNCHANGED, server=BOUND),
    "a larger volume": Case(fast(), SIZE, "3Gi", Way.EXPAND, server=BOUND),
    "a smaller volume": Case(
        fast(),
        SIZE,
        "1Gi",
        Way.REFUSED,
        "/spec/resources/requests/storage cannot be changed from 2Gi to 1Gi",
        server=BOUND,
        risks_data=True,
    ),
    "a larger volume of a class that lets none grow": Case(
        volume(storageClassName="stiff"),
        SIZE,
        "3Gi",
        Way.REFUSED,
        "from 2Gi to 3Gi",
        server=BOUND,
        risks_data=True,
    ),
    "a larger volume of an unknown class": Case(
        volume(storageClassName="new"), SIZE, "3Gi", Way.EXPAND, server=BOUND
    ),
    "a larger volume without a class": Case(
        volume(), SIZE, "3Gi", Way.REFUSED, "from 2Gi to 3Gi", server=BOUND, risks_data=True
    ),
    "a larger volume that is not bound": Case(fast(), SIZE, "3Gi", Way.WAIT),
    "a growth taken back that failed": Case(
        fast(resources={"requests": {"storage": "9Gi"}}), SIZE, "3Gi", Way.IN_PLACE, server=BOUND
    ),
    "another class": Case(
        fast(),
        "spec.storageClassName",
        "slow",
        Way.REFUSED,
        "/spec/storageClassName cannot be changed from fast to slow",
        server=BOUND,
        risks_data=True,
    ),
    "a class where there is none": Case(volume(), "spec.storageClassName", "fast", Way.IN_PLACE),
    "other access": Case(
        fast(),
        "spec.accessModes",
        ["ReadWriteMany"],
        Way.REFUSED,
        "from ReadWriteOnce to ReadWriteMany",
        server=BOUND,
        risks_data=True,
    ),
    "the default volume mode": Case(
        fast(),
        "spec.volumeMode",
        "Filesystem",
        Way.UNCHANGED,
        server=BOUND | {"spec": {"volumeMode": "Filesystem"}},
    ),
    "another volume mode": Case(
        fast(),
        "spec.volumeMode",
        "Block",
        Way.REFUSED,
        "from Filesystem to Block",
        server=BOUND | {"spec": {"volumeMode": "Filesystem"}},
        risks_data=True,
    ),
    "another source of data": Case(
        fast(dataSource={"kind": "VolumeSnapshot", "name": "a"}),
        "spec.dataSource.name",
        "hunter2",
        Way.REFUSED,
        "/spec/dataSource cannot be changed",
        server=BOUND,
        risks_data=True,
    ),
    "a volume's labels": Case(fast(), "metadata.labels.tier", "gold", Way.IN_PLACE, server=BOUND),
    "replicas of a StatefulSet": Case(with_template(), "spec.replicas", 3, Way.IN_PLACE),
    "an image of a StatefulSet": Case(
        with_template(), f"{POD}.containers.0.image", "app:2", Way.IN_PLACE, restarts=True
    ),
    "selector of a StatefulSet": Case(
        stateful_set(), "spec.selector.matchLabels.more", "hunter2", Way.REFUSED, "/spec/selector"
    ),
    "service of a StatefulSet": Case(
        stateful_set(), "spec.serviceName", "hunter2", Way.REFUSED, "/spec/serviceName"
    ),
    "pod management": Case(
        stateful_set(),
        "spec.podManagementPolicy",
        "Parallel",
        Way.RECREATE,
        server={"spec": {"podManagementPolicy": "OrderedReady"}},
    ),
    "a larger template": Case(with_template(), f"{CLAIMED}.resources.requests.storage", "3Gi", Way.RECREATE),
    "a template of the same size": Case(
        with_template(), f"{CLAIMED}.resources.requests.storage", "2048Mi", Way.UNCHANGED
    ),
    "a smaller template": Case(
        with_template(),
        f"{CLAIMED}.resources.requests.storage",
        "1Gi",
        Way.REFUSED,
        "/spec/volumeClaimTemplates/data/spec/resources/requests/storage cannot be changed from 2Gi to 1Gi",
        risks_data=True,
    ),
    "a larger template of a class that lets none grow": Case(
        with_template(storageClassName="stiff"),
        f"{CLAIMED}.resources.requests.storage",
        "3Gi",
        Way.REFUSED,
        "from 2Gi to 3Gi",
        risks_data=True,
    ),
    "another class of a template": Case(
        with_template(storageClassName="fast"),
        f"{CLAIMED}.storageClassName",
        "slow",
        Way.REFUSED,
        "from fast to slow",
        risks_data=True,
    ),
    "a label of a template": Case(
        with_template(), "spec.volumeClaimTemplates.0.metadata.labels", {"tier": "gold"}, Way.RECREATE
    ),
    "no template any more": Case(
        with_template(),
        "spec.volumeClaimTemplates",
        [],
        Way.REFUSED,
        "/spec/volumeClaimTemplates cannot be changed from data to nothing",
        risks_data=True,
    ),
    "another address": Case(
        service(),
        "spec.clusterIP",
        "10.0.0.9",
        Way.REFUSED,
        "/spec/clusterIP cannot be changed from 10.0.0.1 to 10.0.0.9",
        server={"spec": {"clusterIP": "10.0.0.1"}},
    ),
    "headless": Case(
        service(),
        "spec.clusterIP",
        "None",
        Way.REFUSED,
        "from 10.0.0.1 to None",
        server={"spec": {"clusterIP": "10.0.0.1"}},
    ),
    "headless no more": Case(
        service(clusterIP="None"), "spec.clusterIP", None, Way.REFUSED, "from None to nothing"
    ),
    "the address as it is": Case(
        service(), "spec.type", "NodePort", Way.IN_PLACE, server={"spec": {"clusterIP": "10.0.0.1"}}
    ),
    "another family": Case(
        service(),
        "spec.ipFamilies",
        ["IPv6"],
        Way.REFUSED,
        "from IPv4 to IPv6",
        server={"spec": {"ipFamilies": ["IPv4"]}},
    ),
    "one more family": Case(
        service(),
        "spec.ipFamilies",
        ["IPv4", "IPv6"],
        Way.IN_PLACE,
        server={"spec": {"ipFamilies": ["IPv4"]}},
    ),
    "another class of balancers": Case(
        service(type="LoadBalancer", loadBalancerClass="a"),
        "spec.loadBalancerClass",
        "b",
        Way.REFUSED,
        "from a to b",
    ),
    "a ConfigMap": Case(config_map(a="1"), "data.a", "2", Way.IN_PLACE),
    "an immutable ConfigMap": Case(
        config_map(a="1") | {"immutable": True}, "data.a", "hunter2", Way.REFUSED, "/data cannot be changed"
    ),
    "an immutable ConfigMap as it is": Case(
        config_map(a="1") | {"immutable": True}, "data.a", "1", Way.UNCHANGED
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_update_is_planned(case: Case) -> None:
    live = lived(case.was, case.server or {})
    planned = plan_update(Manifest.of(changed(case.was, case.path, case.value)), live, EXPANDS)
    assert planned.way is case.way, planned
    assert planned.restarts is case.restarts
    assert planned.risks_data is case.risks_data
    assert case.says in (planned.message if planned.conflicts else "")
    assert "hunter2" not in f"{planned.message} {planned.remedy}"
    assert bool(planned.remedy) is (case.way is Way.REFUSED)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_was_sent_last_is_never_refused(case: Case) -> None:
    """Also with what the API server added: a change back is always possible."""
    planned = plan_update(Manifest.of(case.was), lived(case.was, case.server or {}), EXPANDS)
    assert planned.way is Way.UNCHANGED, planned


def test_what_is_absent_is_created() -> None:
    assert plan_update(Manifest.of(deployment()), None).way is Way.CREATE


def test_what_others_set_is_not_judged() -> None:
    """Only what our last apply said goes with the next one."""
    live = lived(deployment(), {"spec": {"template": {"spec": {"dnsPolicy": "ClusterFirst"}}}})
    live["spec"]["template"]["metadata"]["annotations"] = {"restartedAt": "now"}
    assert plan_update(Manifest.of(deployment()), live).way is Way.UNCHANGED


def test_what_is_no_longer_sent_is_a_change() -> None:
    was = changed(deployment(), f"{POD}.containers.0.command", ["run"])
    planned = plan_update(Manifest.of(deployment()), lived(was, {}))
    assert (planned.way, planned.restarts) == (Way.IN_PLACE, True)


def test_a_volume_that_a_stateful_set_made_grows_and_never_shrinks() -> None:
    live = lived(fast(), BOUND)
    assert plan_growth(live, "3Gi", EXPANDS).way is Way.EXPAND
    assert plan_growth(live, "3Gi", {"fast": False}).way is Way.REFUSED
    assert plan_growth(live, "1Gi", EXPANDS).way is Way.UNCHANGED
    assert plan_growth(lived(fast(), {}), "3Gi", EXPANDS).way is Way.WAIT


def test_the_volumes_that_grow_are_named() -> None:
    larger = changed(with_template(), f"{CLAIMED}.resources.requests.storage", "3Gi")
    assert plan_update(Manifest.of(larger), lived(with_template(), {})).growth == {"data": "3Gi"}
    own = changed(fast(), SIZE, "3Gi")
    assert plan_update(Manifest.of(own), lived(fast(), BOUND), EXPANDS).growth == {"data": "3Gi"}


def test_nothing_is_changed_in_place() -> None:
    live, sent = lived(with_template(), {}), with_template()
    before = deepcopy((live, sent))
    plan_update(Manifest.of(sent), live)
    assert (live, sent) == before


DEFAULTED = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
}


def test_a_default_that_stands_in_the_way_of_a_strategy_is_taken_over_first() -> None:
    live = lived(deployment(), {"spec": {"strategy": DEFAULTED}})
    wanted = changed(deployment(), "spec.strategy", {"type": "Recreate"})
    planned = plan_update(Manifest.of(wanted), live)
    assert planned.way is Way.IN_PLACE
    assert planned.first is not None
    assert planned.first.body["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    }
    assert planned.first.body["spec"]["template"] == wanted["spec"]["template"]


def test_a_set_keeps_its_partition_on_the_way_to_another_strategy() -> None:
    defaulted = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    live = lived(stateful_set(), {"spec": {"updateStrategy": defaulted}})
    planned = plan_update(
        Manifest.of(changed(stateful_set(), "spec.updateStrategy", {"type": "OnDelete"})), live
    )
    assert planned.first is not None
    assert planned.first.body["spec"]["updateStrategy"] == defaulted


@pytest.mark.parametrize(
    ("live", "sent"),
    [
        (DEFAULTED, None),
        (DEFAULTED, DEFAULTED),
        ({"type": "Recreate"}, {"type": "Recreate"}),
        (DEFAULTED, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}),
    ],
    ids=["not said", "the same", "recreated already", "another surge"],
)
def test_any_other_strategy_takes_one_apply(live: dict[str, Any], sent: dict[str, Any] | None) -> None:
    wanted = deployment() if sent is None else changed(deployment(), "spec.strategy", sent)
    assert plan_update(Manifest.of(wanted), lived(deployment(), {"spec": {"strategy": live}})).first is None


@pytest.mark.parametrize("by_us", [True, False], ids=["by its template", "by somebody"])
def test_who_made_a_config_map_immutable_says_what_helps(by_us: bool) -> None:
    sent = config_map(a="1") | ({"immutable": True} if by_us else {})
    live = lived(sent, {"immutable": True})
    planned = plan_update(Manifest.of(changed(sent, "data.a", "hunter2")), live, EXPANDS)
    assert planned.way is Way.REFUSED
    assert planned.message == "ConfigMap/ide-config: /data cannot be changed."
    assert ("configMapGenerator" in planned.remedy) is by_us
    assert ("Delete it" in planned.remedy) is not by_us
