"""The last good rendering, packed into one annotation of the Workload, so that an outage takes nothing from a claim.

What is kept are the objects as they are sent while the claim runs. The Secret is never among them, and nothing else holds
a secret (design 3). The Workload is the last object of an apply: what it keeps was applied completely.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.kinds import SECRET, WORKLOAD
from ocdp_operator.model.names import RENDERING
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.wire import canonical_json, digest
from ocdp_operator.plan.running import at_rest

MAX_KEPT: Final = 192 * 1024
"""Characters. All annotations of an object may have 256 KiB together; a rendering that does not fit is not kept."""
_MOST_UNPACKED: Final = 16 * 1024 * 1024
_NOT_KEPT: Final = (SECRET.kind, WORKLOAD.kind)


def pack(manifests: Iterable[Manifest]) -> str:
    """The manifests, compressed: the same manifests give the same text. Empty when they do not fit."""
    bodies = [manifest.body for manifest in manifests if manifest.ref.kind not in _NOT_KEPT]
    text = b64encode(zlib.compress(canonical_json(bodies), 9)).decode()
    return text if len(text) <= MAX_KEPT else ""


def unpack(text: str) -> tuple[Manifest, ...]:
    """The reverse of ``pack``; of anything else nothing. What is unpacked proves nothing yet: see ``trusted``."""
    try:
        unpacking = zlib.decompressobj()
        bodies = orjson.loads(unpacking.decompress(b64decode(text, validate=True), _MOST_UNPACKED))
        return tuple(Manifest.of(body) for body in bodies)
    except (NotBase64, zlib.error, ValueError, TypeError, KeyError, AttributeError):
        return ()


def with_kept(workload: Manifest, manifests: Iterable[Manifest]) -> tuple[Manifest, str]:
    """The Workload with these manifests in it, and the digest by which they are believed; empty when they do not fit."""
    text = pack(manifests)
    if not text:
        return workload, ""
    metadata: Mapping[str, Any] = workload.body["metadata"]
    annotations = {**metadata.get("annotations", {}), RENDERING: text}
    body = {**workload.body, "metadata": {**metadata, "annotations": annotations}}
    return Manifest(workload.ref, body), digest(text)


def trusted(kept: Iterable[Manifest], recorded: Inventory) -> dict[ObjectRef, Manifest]:
    """Those of the kept manifests that the record says were sent, running or at rest.

    After an apply that was not finished the record is of a newer rendering than what is kept, for some of the objects.
    """
    entries = {entry.ref: entry.sent for entry in recorded.desired if entry.sent}
    return {
        manifest.ref: manifest
        for manifest in kept
        if entries.get(manifest.ref) in (manifest.sent_digest, at_rest(manifest).sent_digest)
    }
