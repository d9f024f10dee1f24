"""What an end-to-end test does and sees: a workspace of its own, claims in it, and the state of the real cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.cli.workspace import OperatorAccount, workspace_objects
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitrepository import GitRepository
from ocdp_operator.dev.platform import CLUSTER_ID, Platform
from ocdp_operator.model.kinds import RUNTIME_KINDS, WORKLOAD
from ocdp_operator.model.names import CLAIM_UID, OWNER
from ocdp_operator.model.publication import (
    BindingEntry,
    PinnedTemplate,
    PlacementEntry,
    TemplateEntry,
    WorkspaceEntry,
)
from tests.support.apps import Files, app_files, claim, template

PATIENCE = 60.0
RETAINED = ("PersistentVolumeClaim", "Secret")

Claim = dict[str, Any]


async def eventually(
    predicate: Callable[[], Awaitable[Any]], what: str, *, seconds: float = PATIENCE, every: float = 0.2
) -> Any:
    """The first truthy result; fails with ``what`` and the last result when there is none in time."""
    last: Any = None
    try:
        async with asyncio.timeout(seconds):
            while not (last := await predicate()):  # noqa: ASYNC110 - the cluster sets no event
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}; last seen: {last!r}") from None
    return last


def condition(claim: Mapping[str, Any], type_: str) -> dict[str, Any]:
    """A condition of the claim, or an empty one."""
    found = [c for c in claim.get("status", {}).get("conditions", ()) if c["type"] == type_]
    return dict(found[0]) if found else {}


def is_ready(claim: Mapping[str, Any]) -> bool:
    """Ready for the generation that is asked for."""
    ready = condition(claim, "Ready")
    return ready.get("status") == "True" and ready["observedGeneration"] == claim["metadata"]["generation"]


def inventory(claim: Mapping[str, Any]) -> set[str]:
    """``Kind/name`` of every recorded object."""
    return {kind_name(entry["id"]) for entry in claim.get("status", {}).get("inventory", ())}


def kind_name(id_: str) -> str:
    name, _, kind = id_.split("_")
    return f"{kind}/{name}"


@dataclass
class Team:
    """One workspace in one namespace, with a template and a repository of its own."""

    platform: Platform
    namespace: str
    workspace: str
    template_id: str
    repository: GitRepository
    repository_url: str
    files: Files = field(default_factory=dict)

    async def publish(self, files: Files | None = None, *, tag: str = "v1", **changes: Any) -> str:
        """Commits files, moves the tag there and publishes; returns the commit."""
        self.files = app_files() if files is None else files
        commit = await self.repository.commit(self.files, "a change")
        await self.repository.tag(tag, commit, force=True)
        await self.platform.publish(template(self.template_id, self.repository_url, **changes))
        return commit

    async def record(self, files: Files | None = None, *, tag: str = "v1", **changes: Any) -> str:
        """The same without a proof, by who may write the catalog: quick, and also what publishing would refuse."""
        self.files = app_files() if files is None else files
        commit = await self.repository.commit(self.files, "a change")
        await self.repository.tag(tag, commit, force=True)
        entry = TemplateEntry.model_validate(template(self.template_id, self.repository_url, **changes))
        async with CatalogRegistry.connect(self.platform.dsn) as registry:
            await registry.apply([PinnedTemplate(entry, commit)])
        return commit

    async def settle(self) -> None:
        """Registers and places the workspace.

        What ``ocdp workspace apply`` and ``workspace manifest`` do, but in this process: commands for each test would take longer
        than most tests.
        """
        placement = PlacementEntry(cluster=CLUSTER_ID, namespace=self.namespace)
        async with CatalogRegistry.connect(self.platform.dsn) as registry:
            await registry.apply(
                [WorkspaceEntry(id=self.workspace, customer="acme", placements=(placement,))]
            )
            placed = await registry.placement(self.workspace, CLUSTER_ID)
        objects = yaml.safe_dump_all(workspace_objects(placed, OperatorAccount()))
        await self.platform.kubectl("apply", "--server-side", "-f", "-", stdin=objects)

    async def may_use_it(self) -> None:
        """Binds the template to the workspace."""
        binding = BindingEntry(template=self.template_id, workspace=self.workspace)
        async with CatalogRegistry.connect(self.platform.dsn) as registry:
            await registry.apply([binding])

    async def claim(self, name: str, **spec: Any) -> Claim:
        """Applies a claim as a user would."""
        body = claim(name, self.namespace, self.template_id, self.workspace, **spec)
        await self.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))
        return await self.get_claim(name)

    async def get_claim(self, name: str) -> Claim:
        return await self.platform.get("wc", name, "-n", self.namespace)

    async def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """A live object, or None."""
        try:
            return await self.platform.get(kind, name, "-n", self.namespace)
        except LocalEnvironmentError as error:
            if "NotFound" in str(error) or "not found" in str(error):
                return None
            raise

    async def ready(self, name: str, *, seconds: float = PATIENCE) -> Claim:
        """The claim once it is Ready for its generation."""

        async def check() -> Claim | None:
            found = await self.get_claim(name)
            return found if is_ready(found) else None

        try:
            return await eventually(check, f"{name} is Ready", seconds=seconds)
        except AssertionError as error:
            shown = json.dumps((await self.get_claim(name)).get("status", {}).get("conditions"), indent=1)
            raise AssertionError(f"{error}\n{shown}") from None

    async def until(
        self, name: str, type_: str, status: str, reason: str = "", *, seconds: float = PATIENCE
    ) -> Claim:
        """The claim once a condition of its generation has this status, and this reason if given."""

        async def check() -> Claim | None:
            found = await self.get_claim(name)
            seen = condition(found, type_)
            fits = seen.get("status") == status and (not reason or seen["reason"] == reason)
            return found if fits and seen["observedGeneration"] == found["metadata"]["generation"] else None

        try:
            return await eventually(check, f"{name}: {type_} is {status} {reason}", seconds=seconds)
        except AssertionError as error:
            shown = json.dumps((await self.get_claim(name)).get("status", {}).get("conditions"), indent=1)
            raise AssertionError(f"{error}\n{shown}") from None

    async def reached(self, name: str, url: str, *, whole: bool = True) -> Claim:
        """The claim once it says this URL, or one that begins so: Ready waits for no Ingress to get its address."""

        async def check() -> Claim | None:
            found = await self.get_claim(name)
            said = found.get("status", {}).get("url", "")
            return found if said == url or (not whole and said.startswith(url)) else None

        found: Claim = await eventually(check, f"{name} is reached at {url}")
        return found

    async def gone(self, name: str, *, kind: str = "wc", seconds: float = PATIENCE) -> None:
        """Returns when the object is gone."""

        async def check() -> bool:
            return await self.find(kind, name) is None

        await eventually(check, f"{kind}/{name} is gone", seconds=seconds)

    async def delete(self, name: str, *flags: str) -> None:
        """Asks for the claim's deletion and returns at once."""
        await self.platform.kubectl("delete", "wc", name, "-n", self.namespace, "--wait=false", *flags)

    async def objects(self) -> dict[str, dict[str, Any]]:
        """An independent list: every object of every kind that the operator may write, by ``Kind/name``."""
        kinds = ",".join(f"{k.plural}.{k.group}" if k.group else k.plural for k in (*RUNTIME_KINDS, WORKLOAD))
        found = await self.platform.get(kinds, "-n", self.namespace)
        return {f"{item['kind']}/{item['metadata']['name']}": item for item in found["items"]}

    async def versions(self) -> dict[str, str]:
        """The version of each object but the projection, which tells what is known of the others."""
        return {
            name: item["metadata"]["resourceVersion"]
            for name, item in (await self.objects()).items()
            if not name.startswith(f"{WORKLOAD.kind}/")
        }

    async def marked(self, uid: str | None = None) -> set[str]:
        """``Kind/name`` of every object with an ownership mark, of one claim if its UID is given."""
        return {
            name
            for name, item in (await self.objects()).items()
            if OWNER in item["metadata"].get("annotations", {})
            and (uid is None or item["metadata"].get("labels", {}).get(CLAIM_UID) == uid)
        }

    async def orphans(self) -> set[str]:
        """Marked objects that no live claim has on record, save data that a claim which is gone has left."""
        claims = (await self.platform.get("wc", "-n", self.namespace))["items"]
        recorded = set().union(*(inventory(each) for each in claims)) if claims else set()
        live = {each["metadata"]["uid"] for each in claims}
        return {
            name
            for name, item in (await self.objects()).items()
            if OWNER in item["metadata"].get("annotations", {})
            and name not in recorded
            and not (item["kind"] in RETAINED and item["metadata"]["labels"][CLAIM_UID] not in live)
        }

    async def assert_no_orphan(self) -> None:
        """Every marked object in the namespace is in the inventory of a live claim, and the reverse."""
        claims = (await self.platform.get("wc", "-n", self.namespace))["items"]
        recorded = set().union(*(inventory(each) for each in claims)) if claims else set()
        assert await self.marked() == recorded
