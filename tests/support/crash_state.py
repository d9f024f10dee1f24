"""What the cluster holds of one claim, in words that are the same for every claim that came to the same end."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ocdp_operator.model.claim import ClaimSpec
from ocdp_operator.model.kinds import WORKLOAD
from ocdp_operator.model.names import ADOPT, OWNER, RENDERING
from ocdp_operator.plan.keeping import unpack
from tests.support.world import Team, condition, inventory, kind_name

Json = Mapping[str, Any]

_OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")
_CHOSEN_BY_THE_CLUSTER = ("clusterIP", "clusterIPs", "nodePort", "volumeName")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_CONTENT_HASH = re.compile(r"-[bcdfghkmt2456789]{10}\b")
_DIGEST = re.compile(r"\b[0-9a-f]{16}\b")
_LAST_WORDS = ("type", "status", "reason")


@dataclass(frozen=True)
class State:
    """Every object of one claim by an independent list, and the claim itself while it exists."""

    name: str
    claim: Json | None
    objects: tuple[Json, ...]

    def text(self, *, history: bool = True) -> str:
        """One line for each fact: what must be equal after any crash. UIDs, names, times and hashes are put away."""
        facts = {f"{item['kind']} {item['metadata']['name']}": _shown(item) for item in self.objects}
        if self.claim is not None:
            facts["claim"] = _shown_claim(self.claim, history=history)
        text = json.dumps(_Digests(self.claim).replace(facts), indent=1, sort_keys=True)
        for uid in self._uids():
            text = text.replace(uid, "UID")
        return _TIME.sub("TIME", _CONTENT_HASH.sub("-#", text.replace(self.name, "CLAIM")))

    def unrecorded(self) -> set[str]:
        """``Kind/name`` of objects with a mark that the claim has not on record: orphans as soon as it forgets them.

        Of a claim that is gone, its data is left by intent and marked; also for a claim that has yet to take it over.
        """
        if self.claim is None:
            return set()
        uid = self.claim["metadata"]["uid"]
        marked = {
            f"{item['kind']}/{item['metadata']['name']}"
            for item in self.objects
            if item["metadata"].get("annotations", {}).get(OWNER, "").startswith(f"{uid} ")
        }
        return marked - inventory(self.claim)

    def faults(self) -> list[str]:
        """What is wrong with the end state whatever it is compared with (I3, I5)."""
        if self.claim is None:
            return []
        live = {f"{i['kind']}/{i['metadata']['name']}": i["metadata"]["uid"] for i in self.objects}
        recorded = {kind_name(e["id"]): e.get("uid") for e in self.claim["status"].get("inventory", ())}
        found = [f"an orphan: {name} is not on record" for name in sorted(self.unrecorded())]
        found += [
            f"on record, but not there: {name}"
            for name, uid in sorted(recorded.items())
            if live.get(name) != uid
        ]
        return found + self._untruths()

    def _untruths(self) -> list[str]:
        claim = self.claim or {}
        generation, status = claim["metadata"]["generation"], claim["status"]
        found = []
        if status["observedGeneration"] != generation:
            found.append(f"observedGeneration {status['observedGeneration']} of {generation}")
        found += [
            f"{c['type']} speaks of generation {c['observedGeneration']} of {generation}"
            for c in status["conditions"]
            if c["observedGeneration"] != generation
        ]
        if condition(claim, "Ready")["status"] == "True":
            found += [
                f"Ready is True, and {item['kind']} has {item['status'].get('readyReplicas', 0)} ready pods"
                for item in self.objects
                if item["kind"] == "Deployment"
                and item["status"].get("readyReplicas") != item["spec"]["replicas"]
            ]
        return found

    def _uids(self) -> list[str]:
        items = [*self.objects, *([self.claim] if self.claim else [])]
        marks = [
            item["metadata"].get("annotations", {}).get(name, "") for item in items for name in (OWNER, ADOPT)
        ]
        owners = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", " ".join(marks))
        return sorted({item["metadata"]["uid"] for item in items} | set(owners))


async def states(team: Team, names: list[str]) -> dict[str, State]:
    """The state of each claim of the team's namespace, in two requests."""
    objects = list((await team.objects()).values())
    claims = {
        item["metadata"]["name"]: item
        for item in (await team.platform.get("wc", "-n", team.namespace))["items"]
    }
    return {
        name: State(
            name,
            claims.get(name),
            tuple(i for i in objects if name in i["metadata"]["name"].split("-")),
        )
        for name in names
    }


def difference(reference: str, other: str) -> str:
    """The lines in which two texts differ, with the way to each."""
    lines = difflib.unified_diff(
        reference.splitlines(), other.splitlines(), "undisturbed", "killed", n=2, lineterm=""
    )
    return "\n".join(list(lines)[2:40])


class _Digests:
    """Digests hold the claim's name, so they differ from claim to claim: they are numbered, oldest first."""

    def __init__(self, claim: Json | None) -> None:
        status = (claim or {}).get("status", {})
        known = [item["inputDigest"] for item in reversed(status.get("history", ()))]
        self._numbers = {digest: f"digest {n}" for n, digest in enumerate(dict.fromkeys(known), 1)}

    def replace(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.replace(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.replace(item) for item in value]
        return (
            _DIGEST.sub(lambda found: self._numbers.get(found[0], found[0]), value)
            if isinstance(value, str)
            else value
        )


def _shown(item: Json) -> dict[str, Any]:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _OF_THE_SERVER}
    metadata["annotations"] = {
        key: value
        for key, value in metadata.get("annotations", {}).items()
        if not key.startswith(("pv.kubernetes.io/", "volume.", "volume.beta."))
    }
    if RENDERING in metadata["annotations"]:  # packed, names and UIDs cannot be put away
        kept = unpack(metadata["annotations"][RENDERING])
        metadata["annotations"][RENDERING] = [manifest.body for manifest in kept]
    fields = item["metadata"].get("managedFields", ())
    metadata["writers"] = sorted(
        {f"{f['manager']} {f['operation']} {f.get('subresource', '')}" for f in fields}
    )
    shown = {key: value for key, value in item.items() if key not in ("metadata", "data", "status", "spec")}
    shown["metadata"] = metadata
    shown["spec"] = {
        key: value for key, value in item.get("spec", {}).items() if key not in _CHOSEN_BY_THE_CLUSTER
    }
    if item["kind"] == "Secret":  # a generated password differs from claim to claim
        shown["data"] = {key: len(value) for key, value in item["data"].items()}
    else:
        shown["data"] = item.get("data", {})
    status = item.get("status", {})
    if item["kind"] == WORKLOAD.kind:
        shown["status"] = _without_times(status)
    else:
        shown["status"] = _without_times(
            {k: v for k, v in status.items() if k != "observedGeneration"}, words=False
        )
    return shown


def _shown_claim(claim: Json, *, history: bool) -> dict[str, Any]:
    status = dict(claim["status"])
    if "renderingDigest" in status:  # of a packed text that holds names and UIDs
        status["renderingDigest"] = "there"
    if status.get("specDigest") == ClaimSpec.model_validate(claim["spec"]).digest:
        status["specDigest"] = "of this spec"  # which names the template, and that may be the claim's own
    status["inventory"] = [
        {key: value for key, value in entry.items() if key not in ("uid", "sent", "applied")}
        | {"known": sorted(entry.keys() & {"uid", "sent", "applied"})}
        for entry in status.get("inventory", ())
    ]
    if not history:
        status.pop("history", None)
        status.pop("inputDigest", None)
    metadata = {key: value for key, value in claim["metadata"].items() if key not in _OF_THE_SERVER}
    metadata.get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return {"metadata": metadata, "spec": claim["spec"], "status": _without_times(status)}


def _without_times(status: Json, *, words: bool = True) -> dict[str, Any]:
    conditions = [
        {
            key: value
            for key, value in each.items()
            if key in _LAST_WORDS or (words and not key.endswith("Time"))
        }
        for each in status.get("conditions", ())
    ]
    return {**status, "conditions": sorted(conditions, key=lambda each: str(each.get("type")))}
