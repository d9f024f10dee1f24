"""Objects of nobody beside a claim's own: with its labels, with a mark that was copied, or just alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID, OWNER
from tests.support.world import Team

_BODIES: dict[str, dict[str, Any]] = {
    "ConfigMap": {"data": {"greeting": "mine"}},
    "Secret": {"stringData": {"PASSWORD": "mine"}},
    "Service": {"spec": {"ports": [{"port": 80}]}},
}


@dataclass
class Decoys:
    """``touched`` names those that anybody changed since they were made."""

    team: Team
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def beside(cls, team: Team, claim: str) -> Decoys:
        """Decoys in the team's namespace; ``claim`` is the one that they look like, if it is there."""
        found = await team.find("wc", claim)
        uid = found["metadata"]["uid"] if found else "0"
        labels = {CLAIM_UID: uid, CLAIM_NAME: claim}
        mark = f"{uid} {team.namespace}/{claim} core/ConfigMap/{claim}-web-config"
        looks: dict[str, dict[str, Any]] = {
            "decoy-labelled": {"labels": labels},
            "decoy-marked": {"labels": labels, "annotations": {OWNER: mark}},
            "decoy-alike": {"labels": {"app.kubernetes.io/name": "web"}},
        }
        bodies = [
            {
                "apiVersion": "v1",
                "kind": kind,
                "metadata": {"name": name, "namespace": team.namespace, **look},
                **body,
            }
            for name, look in looks.items()
            for kind, body in _BODIES.items()
        ]
        await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))
        decoys = cls(team)
        decoys.versions = await decoys._look()
        return decoys

    async def touched(self) -> list[str]:
        """The decoys whose resourceVersion is another, or that are gone (I2)."""
        now = await self._look()
        return [
            f"a decoy was touched: {name}"
            for name, version in self.versions.items()
            if now.get(name) != version
        ]

    async def _look(self) -> dict[str, str]:
        objects = await self.team.objects()
        return {
            name: item["metadata"]["resourceVersion"] for name, item in objects.items() if "/decoy-" in name
        }
