"""What a claim's owner is told of failures, once while they last, and of newer revisions, once for each with what it changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from ocdp_operator.errors import Reason, ReconcileError, Waiting
from ocdp_operator.model.claim import ClaimStatus
from ocdp_operator.model.conditions import Condition
from ocdp_operator.model.rollout import Turn, follows
from ocdp_operator.model.template import TemplateRevision
from ocdp_operator.plan.resolve import question
from ocdp_operator.plan.upgrading import standing, what_changes
from ocdp_operator.plan.wording import sentence
from ocdp_operator.reconcile.run import Run

_REMEMBERED: Final = 256


def tell_failure(run: Run, error: ReconcileError, before: ClaimStatus) -> None:
    """Queues the event of a failure whose code was not on record; what claims wait for together is no news of each of them."""
    is_news = before.failure is None or before.failure.code != error.reason
    if is_news and not (isinstance(error, Waiting) and error.dependency):
        run.tell(error.reason, f"{sentence(error.message)} {error.remedy}", warning=True)


def tell_unhealthy(run: Run, health: Condition) -> None:
    """Queues the event of a claim whose pods have failed, with what to do."""
    advice = run.facts.health.advice if run.facts.health else None
    remedy = f" {advice.remedy}" if advice else ""
    run.tell(health.reason, f"{sentence(health.message)}{remedy}", warning=True)


@dataclass(slots=True)
class Announcing:
    """Tells of what is available, taken, and held back."""

    _changes: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """Template, revision, newer revision -> what changes: the same for every claim."""

    async def announce(self, run: Run, before: ClaimStatus) -> None:
        """Queues the events that follow from a status and the one before it."""
        claim = run.claim
        template = claim.status.template
        if template is None:
            return
        if not follows(claim) or (claim.spec.template_revision is not None and template.available):
            await self._tell_available(run, before)
        if not follows(claim):
            _tell_available_profiles(run, before)
        _tell_halted(run, before)
        _tell_complete(run, before)

    async def _tell_available(self, run: Run, before: ClaimStatus) -> None:
        template, was = run.claim.status.template, before.template
        if template is None or was is None or not template.available or template.available == was.available:
            return
        newer = await _revision(run, template.available)
        commit = f" (commit {newer.source.commit[:12]})" if newer else ""
        changes = self._what_changes(run, newer)
        key = run.claim.key
        where = f"{key.name} -n {key.namespace}"
        run.tell(
            Reason.UPDATE_AVAILABLE,
            f"Revision {template.available}{commit} is available; the claim stays on {template.revision}. {changes}"
            f"See what it changes: ocdp diff {where} --revision {template.available}; "
            f"take it: ocdp claim upgrade {where}",
        )

    def _what_changes(self, run: Run, newer: TemplateRevision | None) -> str:
        workload = run.facts.workload
        if newer is None or workload is None:
            return ""
        key = (newer.template_id, workload.revision.revision, newer.revision)
        if key not in self._changes:
            if len(self._changes) >= _REMEMBERED:
                self._changes.clear()
            self._changes[key] = what_changes(workload.revision.body.values_schema, newer.body.values_schema)
        return f"{self._changes[key]} "


async def _revision(run: Run, number: int) -> TemplateRevision | None:
    """The newer revision itself, for what is told of it; without it less is told."""
    try:
        asked = replace(question(run.claim, run.rules.cluster_id), revision=number)
        return (await run.ports.catalog.ask(asked)).revision
    except ReconcileError:
        return None


def _tell_available_profiles(run: Run, before: ClaimStatus) -> None:
    newer = run.claim.status.available_profiles
    if before.template is None or not newer or newer == before.available_profiles:
        return
    there, here = (", ".join(map(str, refs)) or "none" for refs in (newer, run.claim.status.profiles))
    key = run.claim.key
    message = (
        f"Environment profiles {there} are available; the claim stays on {here}. "
        f"Take them: ocdp claim upgrade {key.name} -n {key.namespace}"
    )
    run.tell(Reason.UPDATE_AVAILABLE, message)


def _tell_halted(run: Run, before: ClaimStatus) -> None:
    """Once: the condition keeps the words, over restarts too."""
    workload = run.facts.workload
    halted = standing(run.claim, workload.newer if workload else None, Turn.HALTED)
    resolved = before.condition_set.get("TemplateResolved")
    if run.facts.standing == halted and not (resolved and halted in resolved.message):
        run.tell(Reason.ROLLOUT_HALTED, halted, warning=True)


def _tell_complete(run: Run, before: ClaimStatus) -> None:
    """A claim that was healthy on one revision is healthy for the first time on another one."""
    template, history = run.claim.status.template, run.claim.status.history
    if template is None:
        return
    good = [item.revision for item in before.history if item.healthy]
    now = [item.revision for item in history if item.healthy]
    if good and template.revision in now and template.revision not in good:
        message = f"Revision {template.revision} is healthy; it was {good[0]} before."
        run.tell(Reason.UPGRADE_COMPLETE, message)
