"""Mappings bound with the real CEL, where there is no event loop to ask it in."""

from __future__ import annotations

from ocdp_operator.adapters.expressions import evaluated
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.bind import bind, expression_roots, expressions_of


def bound(workload: ResolvedWorkload) -> ResolvedWorkload:
    """The workload as the pipeline hands it to the overlay."""
    asked = expressions_of(workload)
    found = evaluated(asked, expression_roots(workload))
    return bind(workload, dict(zip(asked, found, strict=True)))
