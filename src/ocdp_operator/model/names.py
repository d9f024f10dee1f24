"""Names that are API: labels, annotations, the finalizer, the field manager (design 2)."""

from __future__ import annotations

from typing import Final

FINALIZER: Final = "ocdp.io/cleanup"
FIELD_MANAGER: Final = "ocdp-operator"

OWNER: Final = "ocdp.io/owner"
"""Annotation: the ownership mark."""
ADOPT: Final = "ocdp.io/adopt"
"""Annotation on a claim: the UID of the former claim whose objects it takes over."""
IN_FORCE: Final = "ocdp.io/in-force"
"""Annotation on a claim: ``<revision>@<commit>``, a hint that survives a restore without status."""
CREDENTIALS_VERSION: Final = "ocdp.io/credentials-version"
"""Annotation on the credentials Secret, and on pod templates that use it: new values are sent, and roll the pods."""
ROTATE: Final = "ocdp.io/rotate-credentials"
"""Annotation on a claim: another value than the last one handled makes generated credentials anew.

``<token>`` for all of them, ``<token>/<KEY>,<KEY>`` for those of these keys.
"""
RECONCILE_REQUESTED: Final = "ocdp.io/reconcile-requested-at"
"""Annotation on a claim: another value than ``status.lastHandledReconcileAt`` asks for a thorough look now."""
APPROVE_PRUNE: Final = "ocdp.io/approve-prune"
"""Annotation on a claim: the digest of ``status.pendingPrune``, which approves exactly that set, once (design 4.4)."""
RETAINED: Final = "ocdp.io/retained"
"""Annotation on what a deleted claim left behind: a tombstone that says whose it was (``plan/tombstone.py``).

Also a label there, "true": volumes that were kept can be listed by it.
"""
RENDERING: Final = "internal.ocdp.io/rendering"
"""Annotation on a Workload: the objects as they were last applied completely, packed (``plan/keeping.py``)."""
ROTATED: Final = "ocdp.io/rotated"
"""Annotation on the credentials Secret: the last request for a rotation that its values follow."""
GENERATED_KEYS: Final = "ocdp.io/generated-keys"
"""Annotation on the credentials Secret: the keys whose values the operator made, with commas between them."""
GROWN_FROM: Final = "ocdp.io/grown-from"
"""Annotation on a volume's claim or a StatefulSet: ``<volume>=<size>``, with commas between, that was asked for and is less than lives.

As long as no less is asked for the volume is sent as it lives (``plan/grown_volumes.py``).
"""
IGNORED_FIELDS: Final = "ocdp.io/ignored-fields"
"""Annotation on an object: the fields of it that are left to others (``model/ignoring.py``)."""

CLAIM_UID: Final = "ocdp.io/claim-uid"
"""Label on top-level objects; what the reflector and a release without inventory select by."""
CLAIM_NAME: Final = "ocdp.io/claim-name"
"""Label on top-level objects and pods."""
COMPONENT: Final = "app.kubernetes.io/component"
"""Label by which a base says what a workload is; ``model-server`` is read."""
POD_REVISION: Final = "controller-revision-hash"
"""Label by which a pod of a StatefulSet says of which revision it is."""
INSTANCE: Final = "app.kubernetes.io/instance"
"""Label on top-level objects and pods, and in every selector: the claim's name. A StatefulSet's volumes get it from its selector."""
WORKSPACE: Final = "ocdp.io/workspace"
"""Label on namespaces and top-level objects."""
CLAIMABLE: Final = "ocdp.io/claimable"
"""Label on a Secret, "true": claims of its namespace may refer to it."""

RESERVED_PREFIXES: Final = ("ocdp.io/", "internal.ocdp.io/", "applyset.kubernetes.io/")
"""Labels and annotations that a base may not set."""

MAX_CLAIM_NAME: Final = 30
MAX_OBJECT_NAME: Final = 52
"""Before a content hash: pods and hashes of controllers must still fit into 63."""
MAX_OBJECTS: Final = 100
MAX_INVENTORY: Final = 200
MAX_VALUES_BYTES: Final = 64 * 1024


def credentials_name(claim: str) -> str:
    """The one Secret of a claim."""
    return f"{claim}-credentials"
