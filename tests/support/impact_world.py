"""Many claims of one template, of several kinds, and a candidate that means something else to each kind."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ocdp_operator.model.kinds import RUNTIME_KINDS
from tests.support.apps import Files, app_files, claim, component, deployment, document, template
from tests.support.audit import Change
from tests.support.commands import Ended, Ocdp
from tests.support.world import Claim, Team, condition, eventually, is_ready

SECRET_WORDS = "words-of-a-user"
"""In values, so in no output."""
_LONG = f"{SECRET_WORDS} that are too many for the candidate"
_SIZED = {"storageGi": 3}
_PLURALS = {kind.plural: kind.kind for kind in RUNTIME_KINDS}


@dataclass(frozen=True)
class Sort:
    """One kind of claim: its spec, and what the candidate must be said to do to it."""

    impact: str
    values: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def waits(self) -> str:
        """As the command says it."""
        pin = self.spec.get("templateRevision")
        if pin is not None:
            return f"pinned to {pin}"
        return "" if self.spec.get("upgradePolicy") == "Auto" else "Manual"


_GREETS = {**_SIZED, "greeting": "hi"}
_AUTO = {"upgradePolicy": "Auto"}
SORTS: Mapping[str, Sort] = {
    "same": Sort("unchanged", _SIZED),
    "guarded": Sort("change", {**_SIZED, "guarded": "yes"}),
    "greeting": Sort("restart", _GREETS),
    "long": Sort("invalid values", {**_SIZED, "greeting": _LONG}),
    "shrinks": Sort("data risk"),
    "pinned": Sort("change", {**_SIZED, "guarded": "yes"}, {"templateRevision": 1}),
    "tier": Sort("refused", {**_SIZED, "tier": "yes"}),
    "set": Sort("recreate", {**_SIZED, "set": "yes"}),
    "auto-same": Sort("unchanged", _SIZED, _AUTO),
    "auto-guarded": Sort("change", {**_SIZED, "guarded": "yes"}, _AUTO),
    "auto-greeting": Sort("restart", _GREETS, _AUTO),
    "auto-long": Sort("invalid values", {**_SIZED, "greeting": _LONG}, _AUTO),
    "auto-shrinks": Sort("data risk", {}, _AUTO),
}
ONCE = ("auto-long", "auto-shrinks")


def sort_of(claim: str) -> Sort:
    return SORTS[claim.rpartition("-")[0]]


def names(claims: int) -> Iterator[str]:
    """So many names of claims, of every sort alike; but of those that would go back under Auto one each.

    Three of them would halt the rollout for all others.
    """
    yield from (f"{sort}-0" for sort in ONCE)
    sorts = [sort for sort in SORTS if sort not in ONCE]
    for number in range(claims - len(ONCE)):
        yield f"{sorts[number % len(sorts)]}-{number // len(sorts)}"


def files(*, after: bool = False) -> Files:
    """The base before and after: another policy in one component, another selector in another one, and a set that
    starts its pods in another order in a third."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": {"app.kubernetes.io/name": "web"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local",
            "resources": {"requests": {"storage": "2Gi"}},
        },
    }
    found = app_files(volume=document(volume), deployment=document(deployment()))
    policy = yaml.safe_load(found["web/components/guarded/policy.yaml"])
    if after:
        policy["spec"]["ingress"] = [{"ports": [{"port": 8080}]}]
    tier = {"metadata": {"name": "web"}, "apiVersion": "apps/v1", "kind": "Deployment"}
    label = {"example.test/tier": "second" if after else "first"}
    tier |= {"spec": {"selector": {"matchLabels": label}, "template": {"metadata": {"labels": label}}}}
    return found | {
        "web/components/guarded/policy.yaml": document(policy),
        "web/components/tier/kustomization.yaml": component(patches=[{"path": "tier.yaml"}]),
        "web/components/tier/tier.yaml": document(tier),
        **_set(after=after),
        **_balanced(),
    }


def _set(*, after: bool) -> Files:
    """A component with a StatefulSet whose policy can only be changed by making it anew around its pods."""
    labels = {"app.kubernetes.io/name": "set"}
    template = deployment()["spec"]["template"] | {"metadata": {"labels": labels}}
    pod = template["spec"]
    del pod["volumes"]
    for unwanted in ("env", "volumeMounts"):
        del pod["containers"][0][unwanted]
    spec = {"serviceName": "web", "selector": {"matchLabels": labels}, "template": template}
    spec["podManagementPolicy"] = "Parallel" if after else "OrderedReady"
    body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "set"}, "spec": spec}
    return {
        "web/components/set/kustomization.yaml": component(resources=["set.yaml"]),
        "web/components/set/set.yaml": document(body),
    }


def _balanced() -> Files:
    """A component that brings the Service a load balancer, which a profile may say something of."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    return {
        "web/components/balanced/kustomization.yaml": component(patches=[{"path": "service.yaml"}]),
        "web/components/balanced/service.yaml": document(service | {"spec": {"type": "LoadBalancer"}}),
    }


def template_of(team: Team, *, after: bool = False) -> dict[str, Any]:
    """The template before and after: shorter greetings, a smaller default volume, and one more place for the greeting."""
    body = template(team.template_id, team.repository_url)
    properties = body["schema"]["properties"]
    properties["greeting"]["maxLength"] = 20 if after else 200
    properties["storageGi"]["default"] = 1 if after else 2
    for name in ("tier", "balanced", "set"):
        properties[name] = {
            "type": "string", "title": name, "description": f"Brings {name}.", "enum": ["yes", "no"], "default": "no",
        }  # fmt: skip
        path = f"web/components/{name}"
        body["mappings"].append({"from": f"values.{name}", "components": {"yes": path, "no": None}})
        body["components"].append(path)
    body["examples"] = [{"greeting": "hi", "guarded": "yes", "tier": "yes", "balanced": "yes", "set": "yes"}]
    if after:
        target = {"configMap": "web-config", "file": "settings.yaml", "pointer": "/title"}
        body["mappings"].append({"from": "values.greeting", "configFile": target})
    return body


async def commit(team: Team, *, after: bool = False, tag: str = "v1") -> None:
    """The files, with the tag moved there; nothing is published."""
    made = await team.repository.commit(files(after=after), "a change")
    await team.repository.tag(tag, made, force=True)


async def make_claims(team: Team, sorts: Mapping[str, Sort]) -> None:
    """All of them, at once, and ready; ``sorts`` by the names of the claims."""
    documents = [
        claim(name, team.namespace, team.template_id, team.workspace, values=dict(sort.values), **sort.spec)
        for name, sort in sorts.items()
    ]
    await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    seconds = 60 + 3 * len(sorts)
    await until_all(team, lambda _, found: is_ready(found), "every claim is ready", seconds=seconds)


async def until_all(team: Team, judge: Any, what: str, *, seconds: float) -> dict[str, Claim]:
    """Every claim of the team once the judge says yes to each."""

    async def all_of_them() -> dict[str, Claim] | None:
        found = {each["metadata"]["name"]: each for each in await listed(team, "wc")}
        waiting = [name for name, each in found.items() if not judge(name, each)]
        if waiting:
            last.clear()
            last.extend(f"{name}: {found[name].get('status', {}).get('conditions')}" for name in waiting[:2])
        return None if waiting else found

    last: list[str] = []
    try:
        result: dict[str, Claim] = await eventually(all_of_them, what, seconds=seconds, every=1.0)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None
    return result


async def listed(team: Team, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await team.platform.get(kind, "-n", team.namespace))["items"]
    return found


@dataclass(frozen=True)
class Snapshot:
    """What must stay, or must not, by claim."""

    pods: Mapping[str, frozenset[str]]
    templates: Mapping[str, str]
    sizes: Mapping[str, str]

    @classmethod
    async def of(cls, team: Team) -> Snapshot:
        pods: dict[str, set[str]] = defaultdict(set)
        for pod in await listed(team, "pods"):
            pods[pod["metadata"]["labels"]["ocdp.io/claim-name"]].add(pod["metadata"]["uid"])
        deployments, volumes = await listed(team, "deploy"), await listed(team, "pvc")
        return cls(
            {name: frozenset(uids) for name, uids in pods.items()},
            {_claim(each): json.dumps(each["spec"]["template"], sort_keys=True) for each in deployments},
            {_claim(each): each["spec"]["resources"]["requests"]["storage"] for each in volumes},
        )


def _claim(each: Mapping[str, Any]) -> str:
    return str(each["metadata"]["labels"]["ocdp.io/claim-name"])


def written(changes: list[Change], claims: Collection[str]) -> dict[str, set[str]]:
    """Claim -> ``Kind/name`` of each runtime object that the operator wrote, by the audit log."""
    found: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        if change.resource in _PLURALS and change.code < 300 and not change.trial:
            parts = change.name.split("-")
            beginnings = ("-".join(parts[:end]) for end in range(len(parts), 0, -1))
            owner = next(each for each in beginnings if each in claims)
            found[owner].add(f"{_PLURALS[change.resource]}/{change.name}")
    return found


@dataclass(frozen=True)
class Asking:
    """The two commands as a platform person calls them, and everything that they ever printed."""

    team: Team
    ocdp: Ocdp
    settings: str
    printed: list[str] = field(default_factory=list)

    async def __call__(self, what: str, *arguments: str, stdin: Any = None) -> Ended:
        ended = await self.ocdp(
            what,
            "impact",
            *arguments,
            "-n",
            self.team.namespace,
            stdin="" if stdin is None else yaml.safe_dump(stdin),
            OCDP_CATALOG_DSN=self.team.platform.dsn,
            OCDP_SETTINGS=self.settings,
        )
        self.printed.extend([ended.out, ended.err])
        assert "Traceback" not in ended.err, ended.err
        return ended

    async def json(self, what: str, *arguments: str, stdin: Any = None) -> dict[str, Any]:
        ended = await self(what, *arguments, "-o", "json", stdin=stdin)
        assert ended.code in (0, 4), ended.err
        found: dict[str, Any] = json.loads(ended.out)
        return found


def refused_for(claim: Claim) -> str:
    """The reason for which the claim does not get on; empty: it does."""
    for type_ in ("TemplateResolved", "Applied"):
        found = condition(claim, type_)
        if found.get("status") == "False":
            return str(found["reason"])
    return ""
