"""Names that end in a hash of what the object holds: generated ConfigMaps, which kustomize names, and Jobs, which we do.

What a Job runs can never change. Under such a name another content is another Job, and the old one is pruned like an old
ConfigMap; a changed profile reaches it too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from ocdp_operator.model.kinds import JOB
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.wire import canonical_json

HASH: Final = "[2456789bcdfghkmt]{10}"
"""kustomize's content hash: hexadecimal digits without those that could spell words (api/hasher)."""
_WITHOUT_WORDS: Final = str.maketrans({"0": "g", "1": "h", "3": "k", "a": "m", "e": "t"})
_IN_PLACE: Final = frozenset(
    {"suspend", "parallelism", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"}
)
"""What of a Job can change while it lives, and makes it no other Job."""


def with_content_name(manifest: Manifest) -> Manifest:
    """A Job under the name of its content; any other object as it is."""
    if manifest.ref.kind != JOB.kind:
        return manifest
    return manifest.renamed(f"{manifest.ref.name}-{_hash(manifest.body.get('spec') or {})}")


def _hash(spec: Mapping[str, Any]) -> str:
    fixed = {name: value for name, value in spec.items() if name not in _IN_PLACE}
    return hashlib.sha256(canonical_json(fixed)).hexdigest()[:10].translate(_WITHOUT_WORDS)


def is_named_by_content(ref: ObjectRef) -> bool:
    """Whether an object that the operator sends is named so by the operator itself."""
    return ref.kind == JOB.kind and re.search(f"-{HASH}$", ref.name) is not None


def stem_of_job(name: str) -> str:
    """The name without the hash, and without what looks like one: before and after the stamps it is the same."""
    return re.sub(f"(?:-{HASH})+$", "", name)
