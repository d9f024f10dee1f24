"""Dashboard and alert rules, held against the numbers of an operator that runs."""

from __future__ import annotations

import yaml

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.operator import OperatorProcess
from tests.support.installs import CONFIG, NAMESPACE, one, render
from tests.support.monitoring import alerts, dashboard, queries, unserved
from tests.support.observed import Telling, documented
from tests.support.world import Team


async def test_an_operator_serves_what_dashboard_and_rules_ask_for(team: Team, operator: OperatorProcess):
    await team.claim("ide", upgradePolicy="Auto")
    await team.ready("ide")
    await team.claim("bad", values={"storageGi": 5000})
    await team.until("bad", "Ready", "False", "InvalidValues")
    served = (await Telling(operator.url).metrics()).labels()
    assert [problem for query in queries() for problem in unserved(query, served)] == []
    of_each_claim = {"ocdp_claim_info"}  # only where claimMetrics is set
    assert {name for name in served if name.startswith("ocdp_")} == documented().keys() - of_each_claim
    found = await Telling(operator.url).metrics()
    assert found.value("ocdp_claim_failures", code="InvalidValues", actor="User") >= 1
    assert found.value("ocdp_claims", template=team.template_id, ready="True", reason="Available") == 1


async def test_the_kustomization_has_all_of_it_and_default_has_none(binaries: Binaries):
    rendered = await render(binaries.kustomize, CONFIG / "monitoring")
    assert {each["kind"] for each in rendered} == {"ServiceMonitor", "PrometheusRule", "ConfigMap"}
    assert {each["metadata"]["namespace"] for each in rendered} == {NAMESPACE}
    rules = one(rendered, "PrometheusRule")["spec"]["groups"]
    assert [rule for group in rules for rule in group["rules"]] == alerts()
    shown = one(rendered, "ConfigMap")
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert yaml.safe_load(shown["data"]["ocdp-operator.json"]) == dashboard()

    default = await render(binaries.kustomize, CONFIG / "default")
    assert not {"ServiceMonitor", "PrometheusRule"} & {each["kind"] for each in default}
    monitor, service = one(rendered, "ServiceMonitor"), one(default, "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["spec"]["endpoints"]} == {
        each["name"] for each in service["spec"]["ports"]
    }
