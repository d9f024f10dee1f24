"""CEL without threads: evaluated where it is asked, held to the contract of the real port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ocdp_operator.adapters.expressions import evaluated, syntax_fault
from ocdp_operator.model.expression import Evaluated


class InlineExpressions:
    """See the Expressions port. Counts its evaluations."""

    def __init__(self) -> None:
        self.evaluations = 0

    def check(self, expression: str) -> str | None:
        return syntax_fault(expression)

    async def evaluate(self, expressions: Sequence[str], roots: Mapping[str, Any]) -> tuple[Evaluated, ...]:
        self.evaluations += len(expressions)
        return evaluated(expressions, roots)
