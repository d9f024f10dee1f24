"""One reconcile of one claim: the claim as it is by now, what was found so far, and what will be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ocdp_operator.errors import Conflict, Reason, Stage, Waiting
from ocdp_operator.model.claim import ClaimStatus, WorkloadClaim
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.events import ClaimEvent
from ocdp_operator.model.identity import Stamping
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.names import RECONCILE_REQUESTED
from ocdp_operator.model.objects import Mark, ObjectRef, Observed, is_object_name
from ocdp_operator.model.rollout import Move, Turn
from ocdp_operator.model.secrets import GenerateRule
from ocdp_operator.plan.policy import Limits
from ocdp_operator.plan.running import input_in_state, is_at_rest, rendered_input
from ocdp_operator.plan.summary import Facts, in_progress
from ocdp_operator.reconcile.circuit import Circuits
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.ports import Ports
from ocdp_operator.reconcile.progress import Progress
from ocdp_operator.reconcile.reservations import Reservations

RENDER_VERSION = "1"
"""Raise it when the same inputs must be rendered anew: it is part of every input digest."""
MAX_TOKEN = 256
"""Characters of a request for a look that the status holds."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the cluster operator decided for all claims."""

    cluster_id: str
    limits: Limits


@dataclass(slots=True)
class Run:
    """The one mutable thing in a reconcile. The pipeline moves ``claim`` and ``facts`` forward, never back."""

    claim: WorkloadClaim
    ports: Ports
    rules: Rules
    store: ClaimStore
    now: Callable[[], datetime]
    generate: Callable[[GenerateRule], str]
    """A new random value by this rule."""
    catalog_outage: Waiting | None = None
    """A known outage of the catalog: nothing is asked of it."""
    stamping: Stamping = field(default_factory=Stamping)
    """Whether the claim's ``requestedBy`` and ``changedBy`` prove anything."""
    reservations: Reservations = field(default_factory=Reservations)
    gate: Callable[[WorkloadClaim, Move], Turn] = lambda claim, move: Turn.GO  # noqa: ARG005 - the gate is open
    """Whether a claim may move by its policy now."""
    move: Move | None = None
    """The move that this reconcile makes, or tries to."""
    circuits: Circuits = field(default_factory=Circuits)
    """Which objects are left alone, since somebody fights over them."""
    thorough: bool = False
    """Also look at what no watch shows: the credentials Secret."""
    facts: Facts = field(default_factory=Facts)
    events: list[ClaimEvent] = field(default_factory=list)
    asked_now: bool = False
    """Somebody asks for this look, and for a thorough one."""
    leaving: bool = False
    """A pruned object has yet to go: come back soon."""
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.facts = self.on_record()

    def on_record(self) -> Facts:
        """What the claim's status says, before anything is found out."""
        status = self.claim.status
        return Facts(
            applied=self._stands_applied(),
            applied_message=applied.message if (applied := status.condition_set.get("Applied")) else "",
            inventory=status.recorded,
            input_digest=status.input_digest,
            pending_prune=status.pending_prune,
            endpoints=status.endpoints,
            credentials=status.credentials_secret_ref,
            credentials_version=status.credentials_version,
            last_handled_rotation=status.last_handled_rotation,
            contested=self.circuits.contested(self.claim),
            last_handled_reconcile_at=status.last_handled_reconcile_at,
            rendering_digest=status.rendering_digest,
        )

    @property
    def rendered_input(self) -> str:
        """The input whose rendering is applied completely, whether it runs or not."""
        return rendered_input(self.facts.input_digest)

    @property
    def was_running(self) -> bool | None:
        """The state in which the objects on record were sent; None while an apply is under way."""
        return None if not self.facts.input_digest else not is_at_rest(self.facts.input_digest)

    @property
    def changes_state(self) -> bool:
        """The claim is to be stopped, or started."""
        return self.was_running is not None and self.was_running is not self.claim.spec.running

    @property
    def follows_spec(self) -> bool:
        """Whether the rendering that was applied last is what the spec asks for now, as far as the spec alone can tell."""
        status, spec = self.claim.status, self.claim.spec
        same_policy = spec.deletion_policy in (None, status.deletion_policy)
        holds_policy = (
            status.deletion_policy is not None and f"-{status.deletion_policy}" in status.input_digest
        )
        return status.spec_digest == spec.digest and (same_policy or not holds_policy)

    def rendered(self, input_digest: str) -> None:
        """The rendering of this input is applied completely, in the state that the claim asks for."""
        self.found(applied=True, input_digest=input_in_state(input_digest, running=self.claim.spec.running))

    def looked(self) -> None:
        """The look that somebody asked for is over."""
        if self.asked_now:
            self.found(last_handled_reconcile_at=self.claim.annotations[RECONCILE_REQUESTED][:MAX_TOKEN])

    def goes_on(self, *, running: bool) -> None:
        """What was applied last is as it was sent, in this state."""
        self.found(input_digest=input_in_state(self.facts.input_digest, running=running))
        self.keeps_up()

    def keeps_up(self) -> None:
        """The generation is applied if nothing but the state was asked for since."""
        if self.follows_spec and not self.changes_state and self._was_applied():
            self.found(applied=True)

    @property
    def namespace(self) -> str:
        """Of the claim, and so of every object of it."""
        return self.claim.key.namespace

    def found(self, **facts: Any) -> None:
        """Adds to what is known."""
        self.facts = replace(self.facts, **facts)

    def remember(self, inventory: Inventory) -> None:
        """Moves the inventory forward; it is written with the next status."""
        self.found(inventory=inventory)

    def tell(self, reason: Reason, message: str, *, warning: bool = False) -> None:
        """Queues an event; it is posted after the status is written."""
        self.events.append(ClaimEvent(self.claim.key, self.claim.uid, reason, message, warning))

    def mark(self, ref: ObjectRef) -> Mark:
        """The mark that this claim's object must carry."""
        return Mark(self.claim.uid, self.claim.key.namespace, self.claim.key.name, ref)

    def owns(self, live: Observed, *, recorded_uid: str = "") -> bool:
        """Whether a live object is this claim's: marked for it, named like one, and made by us or known by its UID.

        The mark is no secret: whoever may edit an object can write it there. It does not prove that we made the object;
        our entry in managedFields, or the UID on record, does.
        """
        made = bool(live.applied_digest) or (live.uid == recorded_uid)
        return made and live.mark == self.mark(live.ref) and is_object_name(self.claim.key.name, live.ref)

    async def record(self) -> None:
        """Writes the union inventory and ``Reconciling``, before the first write of an apply (design 4.2)."""
        self.found(applied=False, input_digest="")
        await self.write_status(in_progress(self.claim, self.facts, self.now()))

    async def write_status(self, status: ClaimStatus) -> None:
        """Writes the status, unless it is as it was.

        A conflict over nothing but the version, such as somebody's label, does not cost what was found out: it is written on
        top. Any other change must be judged first: Conflict.
        """
        cluster = self.ports.cluster
        try:
            self._moved(await cluster.patch_claim_status(self.claim, status))
        except Conflict:
            fresh = await cluster.get_claim(self.claim.key)
            if fresh is None or replace(fresh, resource_version=self.claim.resource_version) != self.claim:
                raise
            self._moved(await cluster.patch_claim_status(fresh, status))

    async def write_metadata(
        self, finalizers: tuple[str, ...], annotations: Mapping[str, str | None]
    ) -> None:
        """Writes the finalizers and annotations."""
        self._moved(
            await self.ports.cluster.patch_claim(self.claim, finalizers=finalizers, annotations=annotations)
        )

    def _moved(self, claim: WorkloadClaim) -> None:
        if claim is not self.claim:
            # The write that lets a deleted claim go ends it, and its answer carries the last version that there was.
            ended = claim.deleting and not claim.finalizers
            after = "" if ended else claim.resource_version
            self.progress.wrote(f"the claim {claim.key}", before=self.claim.resource_version, after=after)
        self.claim = claim
        self.store.put(claim)

    def _stands_applied(self) -> bool:
        applied = self.claim.status.condition_set.get(Stage.APPLIED)
        observed = applied.observed_generation if applied is not None else 0
        return self._was_applied() and observed == self.claim.generation

    def _was_applied(self) -> bool:
        """Whether the last generation that was judged is applied completely."""
        status = self.claim.status
        applied = status.condition_set.get(Stage.APPLIED)
        return applied is not None and applied.status is Truth.TRUE and bool(status.input_digest)
