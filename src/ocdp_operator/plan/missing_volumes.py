"""Why a claim for a volume gets none before somebody changes something, from what its controller says of it."""

from __future__ import annotations

import re
from typing import Final

from ocdp_operator.plan.wording import shown

_NO_CLASS: Final = re.compile(r'^storageclass\S* "([^"]+)" not found')
_NO_VOLUME: Final = "no storage class is set"
"""Of a claim that names no class where there is no default one, and of one that names the empty class."""


def why_no_volume_comes(answer: str, storage_class: str | None) -> str:
    """What is missing, as a part of a sentence; empty when a volume may yet come by itself.

    A claim of the empty class asks for a volume that a person makes: that is waited for.

    Args:
        answer: the newest failure among the claim's events, in the words of the controller that binds volumes
            (kubernetes, pkg/controller/volume/persistentvolume).
        storage_class: ``spec.storageClassName``; None where it is left out.
    """
    missing = _NO_CLASS.match(answer)
    if missing:
        return f"it gets no volume: StorageClass {shown(missing[1])} does not exist, and no volume of that class is free."
    if _NO_VOLUME in answer and storage_class is None:
        return "it gets no volume: it names no StorageClass, and the cluster has no default one."
    return ""
