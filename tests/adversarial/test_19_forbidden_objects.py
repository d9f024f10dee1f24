"""19: what a template may not render is refused by each fence: the operator's policy, admission, and the operator's rights."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from ocdp_operator.adapters.cluster import KubeClient
from ocdp_operator.adapters.cluster.paths import APPLY_PATCH, FORCED
from ocdp_operator.dev.admission import install_admission, remove_admission
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import INGRESS_DOMAINS, OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Platform
from ocdp_operator.model.names import FINALIZER
from tests.support.apps import claim, document
from tests.support.cluster_worlds import Raw, config_map, deployment, marked, secret
from tests.support.fix_operator import QUICK
from tests.support.forbidden import FORBIDDEN, POLICY, forbidden_files, forbidden_template
from tests.support.world import Claim, Team, condition, eventually

OPERATOR = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}"
UNFENCED = "tests.support.unfenced"


async def ask_for_all(team: Team, names: Iterable[str]) -> None:
    """A claim for each forbidden thing, named after it."""
    await team.record(forbidden_files(names), **forbidden_template(names))
    claims = [
        claim(name, team.namespace, team.template_id, team.workspace, values={"brings": name})
        for name in names
    ]
    await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(claims))


async def verdicts(team: Team, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The condition ``Applied`` of every claim, once each is False."""

    async def judged() -> dict[str, dict[str, Any]] | None:
        found: list[Claim] = (await team.platform.get("wc", "-n", team.namespace))["items"]
        seen = {each["metadata"]["name"]: condition(each, "Applied") for each in found}
        return seen if all(seen.get(name, {}).get("status") == "False" for name in names) else None

    return dict(await eventually(judged, "every claim is refused", seconds=120))


def writes_of_operator(audit_log: Path, namespace: str) -> set[str]:
    """Resources in the namespace that the operator's account asked to change, refused or not."""
    events = (json.loads(line) for line in audit_log.read_text().splitlines())
    return {
        event["objectRef"]["resource"]
        for event in events
        if event["user"]["username"] == OPERATOR and event.get("objectRef", {}).get("namespace") == namespace
    }


async def test_19_the_policy_refuses_the_whole_set_before_any_write(team: Team, audit_log: Path):
    await ask_for_all(team, FORBIDDEN)
    seen = await verdicts(team, FORBIDDEN)

    assert {name: verdict["reason"] for name, verdict in seen.items()} == dict.fromkeys(
        FORBIDDEN, "PolicyDenied"
    )
    assert [name for name, each in FORBIDDEN.items() if each.what not in seen[name]["message"]] == []
    assert await team.marked() == set()
    assert writes_of_operator(audit_log, team.namespace) == {"workloadclaims", "events"}


async def test_19_an_object_of_another_namespace_is_forced_into_the_claims_own(team: Team):
    files = forbidden_files(())
    account = yaml.safe_load(files["web/base/account.yaml"])
    account["metadata"]["namespace"] = "kube-system"
    await team.publish(files | {"web/base/account.yaml": document(account)})
    await team.claim("ide")
    await team.ready("ide")

    everywhere = await team.platform.get("serviceaccounts", "-A")
    found = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in everywhere["items"]]
    assert [
        each for each in found if each[1] == "ide-web" and each[0] in ("kube-system", team.namespace)
    ] == [(team.namespace, "ide-web")]


@asynccontextmanager
async def unfenced(team: Team, operator: OperatorProcess, workdir: Path) -> AsyncIterator[None]:
    """An operator without its policy in the place of the session's; whatever it left is gone afterwards."""
    await operator.stop()
    settings = await team.platform.operator_settings(**QUICK)
    program = OperatorProcess.started(workdir, settings, team.platform.reader_dsn, module=UNFENCED)
    async with program:
        yield
    await _forget(team)


async def _forget(team: Team) -> None:
    """The namespace goes, as does what only the unfenced operator could release."""
    await team.platform.kubectl("delete", "namespace", team.namespace, "--wait=false")
    claims = (await team.platform.get("wc", "-n", team.namespace))["items"]
    held = [
        each["metadata"]["name"] for each in claims if FINALIZER in each["metadata"].get("finalizers", ())
    ]
    if held:
        await team.platform.kubectl(
            "patch",
            "wc",
            *held,
            "-n",
            team.namespace,
            "--type=merge",
            "-p",
            '{"metadata": {"finalizers": []}}',
        )

    async def gone() -> bool:
        return await team.find("namespace", team.namespace) is None

    await eventually(gone, "the namespace is gone", seconds=120)


async def test_19_without_the_policy_the_api_server_refuses_each(
    team: Team, operator: OperatorProcess, tmp_path: Path
):
    known = {name: each for name, each in FORBIDDEN.items() if each.fence is not None}
    async with unfenced(team, operator, tmp_path):
        await ask_for_all(team, known)
        seen = await verdicts(team, known)
        live = await team.objects()

    assert [
        (name, seen[name]) for name, each in known.items() if str(each.fence) not in seen[name]["message"]
    ] == []
    kept = {
        f"{kind}/{name}-{base}"
        for name, each in known.items()
        for kind, base in (one.split("/") for one in each.objects)
    }
    assert kept & set(live) == set()
    cluster_wide = await team.platform.kubectl(
        "get", "clusterrolebindings,clusterroles,namespaces", "-o", "name"
    )
    assert "more" not in cluster_wide


async def test_19_without_the_policy_pod_security_lets_no_pod_be(
    team: Team, operator: OperatorProcess, tmp_path: Path
):
    body = yaml.safe_load(forbidden_files(())["web/base/deployment.yaml"])
    body["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"] = {
        "add": ["SYS_ADMIN"]
    }
    files = forbidden_files(()) | {"web/base/deployment.yaml": document(body)}
    await team.record(files)
    async with unfenced(team, operator, tmp_path):
        await team.claim("ide")

        async def refused() -> str:
            live = await team.find("deploy", "ide-web") or {}
            failures = [
                c for c in live.get("status", {}).get("conditions", ()) if c["type"] == "ReplicaFailure"
            ]
            return str(failures[0]["message"]) if failures else ""

        assert "violates PodSecurity" in await eventually(refused, "the ReplicaSet may make no pod")
        assert (await team.platform.get("pods", "-n", team.namespace))["items"] == []


@pytest.fixture
async def account(platform: Platform) -> AsyncIterator[KubeClient]:
    """The operator's own login."""
    kubeconfig = await platform.cluster.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    async with KubeClient.connect(kubeconfig) as client:
        yield client


def path_of(body: Raw, namespace: str) -> str:
    """Where the object is applied; ``namespace`` empty: it is cluster-scoped."""
    group, _, version = body["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    place = f"{root}/namespaces/{namespace}" if namespace else root
    plural = f"{body['kind'].lower()}{'es' if body['kind'].endswith('s') else 's'}"
    return f"{place}/{plural}/{body['metadata']['name']}"


async def applied(account: KubeClient, body: Raw, namespace: str) -> tuple[int, str]:
    """The answer to the operator's form of a write."""
    answer = await account.send(
        "PATCH", path_of(body, namespace) + FORCED, orjson.dumps(body), content_type=APPLY_PATCH
    )
    return answer.status, str(answer.json().get("message"))


def sound_deployment() -> Raw:
    """A Deployment that both fences let through, once it is marked."""
    return deployment("ide-web", automountServiceAccountToken=False)


def token() -> Raw:
    """A Secret that the controller-manager would fill with a token of the namespace's default account."""
    body = secret() | {"type": "kubernetes.io/service-account-token"}
    body["metadata"]["annotations"] = {"kubernetes.io/service-account.name": "default"}
    return body


DIRECT = {
    "no mark": lambda ns: {**config_map(), "metadata": {"name": "ide-config", "namespace": ns}},
    "the mark of another object": lambda ns: {
        **config_map("ide-other"),
        "metadata": {**marked(config_map(), ns).body["metadata"], "name": "ide-other"},
    },
    "the mark of another namespace": lambda ns: {
        **config_map(),
        "metadata": {**marked(config_map(), "kube-system").body["metadata"], "namespace": ns},
    },
    "a token": lambda ns: dict(marked(token(), ns).body),
    "another Secret": lambda ns: dict(marked(secret("ide-tls"), ns).body),
    "a pod's token": lambda ns: dict(marked(deployment("ide-web"), ns).body),
    "a path of the node": lambda ns: dict(
        marked(
            deployment(
                "ide-web",
                automountServiceAccountToken=False,
                volumes=[{"name": "v", "hostPath": {"path": "/"}}],
            ),
            ns,
        ).body
    ),
}


@pytest.mark.parametrize("forbidden", DIRECT.values(), ids=DIRECT.keys())
async def test_19_admission_refuses_what_rights_alone_would_let_pass(
    team: Team, account: KubeClient, forbidden
):
    status, message = await applied(account, forbidden(team.namespace), team.namespace)

    assert status in {403, 422}
    assert POLICY in message


async def test_19_admission_lets_pass_what_is_marked(team: Team, account: KubeClient):
    for body in (config_map(), secret(), sound_deployment()):
        status, message = await applied(account, dict(marked(body, team.namespace).body), team.namespace)
        assert status == 201, message
    await team.platform.kubectl(
        "delete", "configmap/ide-config", "secret/ide-credentials", "deploy/ide-web", "-n", team.namespace
    )


async def test_19_admission_guards_what_is_others(new_team, account: KubeClient):
    one, two = await new_team("one", publish=False), await new_team("two", publish=False)
    await one.platform.kubectl("create", "configmap", "ide-config", "-n", one.namespace)

    taken = await applied(account, dict(marked(config_map(), one.namespace).body), one.namespace)
    deleted = await account.send("DELETE", path_of(config_map(), one.namespace))
    crossing = {**marked(config_map(), one.namespace).body}
    crossing["metadata"] = {**crossing["metadata"], "namespace": two.namespace}
    crossed = await applied(account, crossing, two.namespace)

    assert "is there already, and is not the operator's" in taken[1]
    assert "not the operator's to delete" in str(deleted.json()["message"])
    assert "does not carry the annotation" in crossed[1]
    assert await one.find("configmap", "ide-config") is not None


async def test_19_admission_leaves_the_users_intent_alone(team: Team, account: KubeClient):
    await team.claim("ide")
    await team.ready("ide")
    path = f"/apis/ocdp.io/v1alpha1/namespaces/{team.namespace}/workloadclaims/ide"
    patch = orjson.dumps({"spec": {"templateRevision": 2}})

    answer = await account.send("PATCH", path, patch, content_type="application/merge-patch+json")

    assert "what a claim asks for is its user's" in str(answer.json()["message"])


@pytest.fixture
async def no_admission(platform: Platform) -> AsyncIterator[None]:
    """The API server without the policies, for one test."""
    await remove_admission(platform.cluster)
    yield
    await install_admission(platform.cluster, ingress_domains=INGRESS_DOMAINS)


_RBAC_V1 = "rbac.authorization.k8s.io/v1"


def _more(api_version: str, kind: str) -> Raw:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "ide-more"}}


@pytest.mark.usefixtures("no_admission")
async def test_19_rights_alone_refuse_what_is_no_workspaces(team: Team, account: KubeClient):
    cluster_scoped = [
        _more("v1", "Namespace"),
        _more(_RBAC_V1, "ClusterRole"),
        _more(_RBAC_V1, "ClusterRoleBinding"),
        _more("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        _more("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
        _more("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        _more("storage.k8s.io/v1", "StorageClass"),
        _more("scheduling.k8s.io/v1", "PriorityClass"),
    ]
    namespaced = [
        _more(_RBAC_V1, "Role"),
        _more(_RBAC_V1, "RoleBinding"),
        _more("v1", "Pod"),
        _more("discovery.k8s.io/v1", "EndpointSlice"),
        _more("apps/v1", "DaemonSet"),
        _more("batch/v1", "CronJob"),
    ]
    elsewhere = [
        dict(marked(body, "kube-system").body) for body in (config_map(), secret(), sound_deployment())
    ]
    answers = await asyncio.gather(
        *(applied(account, body, "") for body in cluster_scoped),
        *(applied(account, body, team.namespace) for body in namespaced),
        *(applied(account, body, "kube-system") for body in elsewhere),
    )

    assert [
        answer for answer in answers if answer[0] != 403 or f'User "{OPERATOR}" cannot' not in answer[1]
    ] == []


@pytest.mark.usefixtures("no_admission")
async def test_19_the_policy_alone_refuses_a_token(team: Team):
    await ask_for_all(team, ["token-secret"])

    assert (await verdicts(team, ["token-secret"]))["token-secret"]["reason"] == "PolicyDenied"
    assert await team.marked() == set()
