"""The one log line of a reconcile, and its numbers."""

from __future__ import annotations

import logging

import structlog

from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.telemetry import Result
from ocdp_operator.reconcile.run import Run

_log = structlog.get_logger(__name__)
_QUIET = frozenset({Result.UNCHANGED, Result.LEAVING})


def account(run: Run) -> None:
    """One line for each reconcile that did something or failed, and the numbers of every one."""
    progress, status = run.progress, run.claim.status
    result = progress.end()
    quiet = result in _QUIET and not progress.changed
    level = logging.ERROR if progress.fault else logging.DEBUG if quiet else logging.INFO
    if not _log.is_enabled_for(level):
        return
    ready = status.condition_set.get("Ready")
    template, failure = status.template, run.facts.error
    message = failure.message if failure else progress.message
    revision = run.facts.workload.revision.revision if run.facts.workload else None
    _log.log(
        level,
        "reconciled",
        claim=str(run.claim.key),
        template=run.claim.spec.template_id,
        generation=run.claim.generation,
        revision=revision or (template.revision if template else None),
        stage=progress.step,
        duration=round(progress.seconds, 4),
        result=result,
        code=progress.code or (ready.reason if ready else None),
        ready=bool(ready and ready.status is Truth.TRUE),
        **({"error": message} if message else {}),
        **({"exc_info": progress.fault} if progress.fault else {}),
    )
