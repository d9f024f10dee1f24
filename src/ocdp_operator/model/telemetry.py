"""The words in which a reconcile is measured. They are label values, so there are few of them and they are stable."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """A part of one reconcile that takes time."""

    RESOLVE = "resolve"
    FETCH = "fetch"
    BUILD = "build"
    APPLY = "apply"
    PRUNE = "prune"
    HEALTH = "health"
    RELEASE = "release"


class Result(StrEnum):
    """How one reconcile ended."""

    CHANGED = "changed"
    """Something was written, and all went well."""
    UNCHANGED = "unchanged"
    """All is as it should be, and nothing was written."""
    WAITING = "waiting"
    """A dependency is away, or the cluster refuses for now."""
    STALLED = "stalled"
    """Nothing helps until somebody edits something."""
    CONFLICT = "conflict"
    """Somebody else wrote first: it starts over."""
    LEAVING = "leaving"
    """Objects of a deleted claim still go."""
    RELEASED = "released"
    """A deleted claim was let go."""
    ERROR = "error"
    """A fault of our own."""


class Tally(StrEnum):
    """Something that is counted. What follows the colon is the meaning of its label, if it has one."""

    APPLIED_OBJECTS = "apply_objects"
    """Objects of a rendering: created, configured, unchanged, failed."""
    PRUNED_OBJECTS = "prune_objects"
    """Objects that are no longer wanted: deleted, kept (not ours by now), failed."""
    DRIFT_DETECTED = "drift_detected"
    DRIFT_CORRECTED = "drift_corrected"
    CIRCUIT_OPENED = "circuit_breaker_opens"
    """An object that somebody changes as often as it is put right is left alone for a while."""
    NOOP_WRITES = "noop_writes"
    """Writes after which an object had the version that it had before."""
