"""One thing is changed in a repository that is as it should be: `make validate` names file, object and field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocdp_operator.manifests.problems import Problem
from tests.integration.manifests.conftest import Validate
from tests.support.manifest_trees import (
    BASE,
    COMPONENTS,
    GONE,
    PLAIN,
    SITE,
    Change,
    edited,
    replaced,
    written,
)

DEPLOYMENT = f"{BASE}/deployment.yaml"
SERVICE = f"{BASE}/service.yaml"
ACCOUNT = f"{BASE}/serviceaccount.yaml"
VOLUME = f"{BASE}/persistentvolumeclaim.yaml"
KUSTOMIZATION = f"{BASE}/kustomization.yaml"
INGRESS = f"{COMPONENTS}/ingress/ingress.yaml"
README = "apps/code-server/README.md"
GOLDEN = "tests/kustomize/golden"
POD = "spec/template/spec"
CONTAINER = f"{POD}/containers/0"
NODE_PORT = """
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
  - target: {kind: Service, name: code-server}
    patch: |-
      - {op: replace, path: /spec/type, value: NodePort}
      - {op: add, path: /spec/ports/0/nodePort, value: 30080}
"""
CRON_JOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: code-server}
spec: {schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {containers: []}}}}}
"""


@dataclass(frozen=True)
class Mutation:
    """A change, and what must be said of it."""

    change: Change
    where: str
    what: str
    object: str = ""
    field: str = ""
    detail: tuple[str, ...] = ()

    def named_by(self, problems: Iterable[Problem]) -> bool:
        return any(
            (each.where, each.object, each.field) == (self.where, self.object, self.field)
            and self.what in each.what
            and all(line in each.detail for line in self.detail)
            for each in problems
        )


def pods(pointer: str, value: object, named: str, what: str) -> Mutation:
    """A change of the Deployment; ``named`` is the field that must be named, below the pod's spec."""
    name = f"spec.template.spec.{named}" if named else "spec.template"
    return Mutation(edited(DEPLOYMENT, pointer, value), BASE, what, "Deployment/code-server", name)


def own(pointer: str, value: object, named: str, what: str) -> Mutation:
    """A change of the only container."""
    return pods(f"{CONTAINER}/{pointer}", value, f"containers[code-server].{named}", what)


def linked(root: Path) -> None:
    (root / SERVICE).rename(root / "apps" / "service.txt")
    (root / SERVICE).symlink_to("../../service.txt")


def removed(path: str) -> Change:
    return lambda root: (root / path).unlink()


def doubled(root: Path) -> None:
    written(f"{BASE}/again.yaml", (root / SERVICE).read_text())(root)
    edited(KUSTOMIZATION, "resources/-", "again.yaml")(root)


def with_file(name: str, text: str) -> Change:
    def change(root: Path) -> None:
        written(f"{BASE}/{name}", text)(root)
        edited(KUSTOMIZATION, "resources/-", name)(root)

    return change


MUTATIONS = {
    # What the operator's policy refuses.
    "a nodePort in a component": Mutation(
        written(f"{COMPONENTS}/service-nodeport/kustomization.yaml", NODE_PORT),
        f"{COMPONENTS}/service-nodeport",
        "must be left to the cluster",
        "Service/code-server",
        "spec.ports[http].nodePort",
    ),
    "a nodePort in the base": Mutation(
        edited(SERVICE, "spec/ports/0/nodePort", 30080),
        BASE,
        "must be left to the cluster",
        "Service/code-server",
        "spec.ports[http].nodePort",
    ),
    "a privileged container": own(
        "securityContext/privileged", True, "securityContext.privileged", "must not be true"
    ),
    "kept capabilities": own(
        "securityContext/capabilities", GONE, "securityContext.capabilities.drop", "must hold ALL"
    ),
    "a pod as root": pods(
        f"{POD}/securityContext/runAsUser", 0, "securityContext.runAsUser", "a number other than 0"
    ),
    "a directory of the node": pods(
        f"{POD}/volumes/2", {"name": "tmp", "hostPath": {"path": "/tmp"}}, "volumes[tmp]", "must be one of"
    ),
    "a service account token": pods(
        f"{POD}/automountServiceAccountToken", True, "automountServiceAccountToken", "must be false"
    ),
    "a token by the account": Mutation(
        edited(ACCOUNT, "automountServiceAccountToken", True),
        BASE,
        "must be false",
        "ServiceAccount/code-server",
        "automountServiceAccountToken",
    ),
    "another's account": pods(
        f"{POD}/serviceAccountName", "admin", "serviceAccountName", "must be a ServiceAccount"
    ),
    "a label of the operator": Mutation(
        edited(SERVICE, "metadata/labels", {"ocdp.io/workspace": "other"}),
        BASE,
        "reserved for the operator",
        "Service/code-server",
        "metadata.labels[ocdp.io/workspace]",
    ),
    "an Ingress without a host": Mutation(
        edited(INGRESS, "spec/rules/0/host", GONE),
        f"{COMPONENTS}/ingress",
        "must be given",
        "Ingress/code-server",
        "spec.rules[0].host",
    ),
    "a name that leaves no room for a claim's": Mutation(
        edited(SERVICE, "metadata/name", "code-server-with-a-name"), BASE, "at most 52 characters"
    ),
    "a kind that is never written": Mutation(
        with_file("cronjob.yaml", CRON_JOB), BASE, "CronJob of batch/v1", "CronJob/code-server", "kind"
    ),
    # What the schema of the Kubernetes version refuses.
    "an unknown field": own("imagePulPolicy", "Always", "imagePulPolicy", "unknown field"),
    "a wrong type": Mutation(
        edited(DEPLOYMENT, "spec/replicas", "one"),
        BASE,
        "must be a whole number, not one",
        "Deployment/code-server",
        "spec.replicas",
    ),
    "a word that is none of the allowed": Mutation(
        edited(DEPLOYMENT, "spec/strategy/type", "Replace"),
        BASE,
        "must be one of Recreate, RollingUpdate",
        "Deployment/code-server",
        "spec.strategy.type",
    ),
    "no quantity": Mutation(
        edited(VOLUME, "spec/resources/requests/storage", "10 Gi"),
        BASE,
        "10 Gi is no quantity",
        "PersistentVolumeClaim/code-server-home",
        "spec.resources.requests.storage",
    ),
    "a missing field": Mutation(
        edited(SERVICE, "spec/ports/0/port", GONE),
        BASE,
        "is required",
        "Service/code-server",
        "spec.ports[http].port",
    ),
    "a variable twice": own(
        "env/-", {"name": "PASSWORD", "value": "x"}, "env", "two items with name PASSWORD"
    ),
    "a version that is not served": Mutation(
        edited(VOLUME, "apiVersion", "v2"),
        BASE,
        "must be v1, not v2",
        "PersistentVolumeClaim/code-server-home",
        "apiVersion",
    ),
    # What the repository is held to beside.
    "the image latest": Mutation(
        edited(KUSTOMIZATION, "images/0/newTag", "latest"),
        BASE,
        "must not be latest",
        "Deployment/code-server",
        "spec.template.spec.containers[code-server].image",
    ),
    "an untagged image": Mutation(
        edited(KUSTOMIZATION, "images", GONE),
        BASE,
        "must have a tag or a digest",
        "Deployment/code-server",
        "spec.template.spec.containers[code-server].image",
    ),
    "a user by its name": pods(
        f"{POD}/securityContext/runAsUser", "coder", "securityContext.runAsUser", "must be a whole number"
    ),
    "no user": pods(
        f"{POD}/securityContext/runAsUser",
        GONE,
        "containers[code-server].securityContext.runAsUser",
        "must be given as a number",
    ),
    "no liveness probe": own("livenessProbe", GONE, "livenessProbe", "must be given"),
    "no limit of memory": own("resources/limits/memory", GONE, "resources.limits.memory", "must be given"),
    "no resources": own("resources", GONE, "resources.requests.cpu", "must be given"),
    "no label for the component": Mutation(
        edited(KUSTOMIZATION, "labels/0/pairs/app.kubernetes.io~1component", GONE),
        BASE,
        "must hold app.kubernetes.io/component",
        "Deployment/code-server",
        "spec.template.metadata.labels",
    ),
    "a selector with a version": Mutation(
        edited(SERVICE, "spec/selector/app.kubernetes.io~1version", "4.139.1"),
        BASE,
        "not app.kubernetes.io/version: a selector cannot change",
        "Service/code-server",
        "spec.selector",
    ),
    "a selector of no pod": Mutation(
        edited(SERVICE, "spec/selector/app.kubernetes.io~1name", "other"),
        BASE,
        "selects no pod",
        "Service/code-server",
        "spec.selector",
    ),
    # References.
    "a Secret that is not there": own(
        "envFrom",
        [{"secretRef": {"name": "other"}}],
        "envFrom[0].secretRef.name",
        "there is no Secret other",
    ),
    "a ConfigMap that is not there": pods(
        f"{POD}/volumes/1/configMap/name",
        "other",
        "volumes[config].configMap.name",
        "there is no ConfigMap other",
    ),
    "a key that is not there": pods(
        f"{POD}/volumes/1/configMap/items",
        [{"key": "settings.yaml", "path": "config.yaml"}],
        "volumes[config].configMap.items[0].key",
        "has no such key",
    ),
    "a pull secret that is not there": pods(
        f"{POD}/imagePullSecrets",
        [{"name": "registry"}],
        "imagePullSecrets[registry].name",
        "no Secret registry",
    ),
    "a TLS secret that is not there": Mutation(
        edited(INGRESS, "spec/tls", [{"hosts": ["code-server.invalid"], "secretName": "wild"}]),
        f"{COMPONENTS}/ingress",
        "there is no Secret wild",
        "Ingress/code-server",
        "spec.tls[0].secretName",
    ),
    "an overlay without credentials": Mutation(
        edited(f"{PLAIN}/kustomization.yaml", "secretGenerator", GONE),
        PLAIN,
        "there is no Secret credentials",
        "Deployment/my-code-server",
        "spec.template.spec.containers[code-server].env[PASSWORD].valueFrom.secretKeyRef.name",
    ),
    "credentials without the key": Mutation(
        replaced(f"{PLAIN}/kustomization.yaml", "PASSWORD=", "PASSWROD="),
        PLAIN,
        "has no such key",
        "Deployment/my-code-server",
        "spec.template.spec.containers[code-server].env[PASSWORD].valueFrom.secretKeyRef.key",
    ),
    # Files.
    "a README without the command": Mutation(
        replaced(README, "kubectl create secret", "make a secret"),
        README,
        "give the line `kubectl create secret",
    ),
    "a README without the key": Mutation(
        replaced(README, "PASSWORD=", "PASS="), README, "does not give the key PASSWORD"
    ),
    "broken YAML": Mutation(
        written(DEPLOYMENT, "kind: Deployment\n spec: {"), DEPLOYMENT, "mapping values", field="line 2"
    ),
    "a remote base": Mutation(
        edited(KUSTOMIZATION, "resources/-", "https://git.example.test/base?ref=main"),
        KUSTOMIZATION,
        "nothing is fetched",
        field="resources[4]",
    ),
    "a remote base of an overlay": Mutation(
        edited(f"{SITE}/kustomization.yaml", "resources/-", "github.com/example/base"),
        f"{SITE}/kustomization.yaml",
        "nothing is fetched",
        field="resources[1]",
    ),
    "a Secret in the base": Mutation(
        edited(KUSTOMIZATION, "secretGenerator", [{"name": "credentials", "literals": ["PASSWORD=x"]}]),
        KUSTOMIZATION,
        "secretGenerator is not allowed",
    ),
    "a file that is not there": Mutation(
        removed(SERVICE), KUSTOMIZATION, "service.yaml is not there", field="resources[2]"
    ),
    "a file that is in nothing": Mutation(
        written(f"{BASE}/forgotten.yaml", "a: b"), f"{BASE}/forgotten.yaml", "no kustomization file names it"
    ),
    "a symbolic link": Mutation(linked, SERVICE, "is a symbolic link"),
    "an object twice": Mutation(doubled, BASE, "already registered id: Service.v1.[noGrp]/code-server"),
    "a patch that fits nothing": Mutation(
        replaced(f"{COMPONENTS}/service-nodeport/kustomization.yaml", "/spec/type", "/spec/typo/of"),
        f"{COMPONENTS}/service-nodeport",
        "kustomize refuses the build",
    ),
    "an overlay of no app": Mutation(
        lambda root: (root / PLAIN).rename(root / "tests/kustomize/editor-plain"),
        "tests/kustomize/editor-plain",
        "named <app>-<variant>",
    ),
    # Golden files.
    "another rendering": Mutation(
        edited(DEPLOYMENT, f"{CONTAINER}/resources/requests/cpu", "600m"),
        f"{GOLDEN}/code-server-site.yaml",
        "ocdp manifests validate --write-golden",
        detail=("-            cpu: 500m", "+            cpu: 600m"),
    ),
    "no golden file": Mutation(
        removed(f"{GOLDEN}/code-server-site.yaml"), f"{GOLDEN}/code-server-site.yaml", "is not there"
    ),
    "a golden file of nothing": Mutation(
        written(f"{GOLDEN}/code-server-gone.yaml", "a: b"),
        f"{GOLDEN}/code-server-gone.yaml",
        "no such overlay any more",
    ),
}


async def test_the_repository_is_as_it_should_be(clean: Path, validated: Validate):
    report = await validated(clean)
    assert [str(problem) for problem in report.problems] == []
    assert {verdict.target.name for verdict in report.verdicts if verdict.target.is_overlay} == {
        "code-server-plain",
        "code-server-site",
    }


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS.keys())
async def test_a_mistake_is_named(mutation: Mutation, tree: Path, validated: Validate):
    mutation.change(tree)
    report = await validated(tree)
    assert mutation.named_by(report.problems), "\n".join(str(problem) for problem in report.problems)
