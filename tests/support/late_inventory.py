"""The operator with a bug planted: what it is about to apply is not recorded before, only with the status after it."""

from __future__ import annotations

from ocdp_operator.cli.app import main
from ocdp_operator.reconcile.run import Run


async def _record_nothing_yet(self: Run) -> None:
    self.found(applied=False, input_digest="")


Run.record = _record_nothing_yet  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
