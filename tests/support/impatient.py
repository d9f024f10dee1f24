"""The operator with little patience: what takes it minutes with a watch takes it seconds here."""

from __future__ import annotations

from functools import partial

from ocdp_operator.adapters.cluster import Patience
from ocdp_operator.cli.app import main
from ocdp_operator.composition import Operator

SILENCE = 4.0
RELIST = 6.0
IMPATIENT = Patience(silence=SILENCE, watch=(3, 5), relist=RELIST, steady=1.0)

Operator.built = partial(Operator.built, patience=IMPATIENT)  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    main()
