"""A claim's values against the revision's schema: checked all at once, with defaults and what the environment gives.

Messages are built from the place and the rule, never from the value: jsonschema's own messages quote it. No reference
ever leaves the schema (an empty registry), so that no schema can make the operator fetch anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from referencing.exceptions import Unresolvable

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.effort import MAX_STEPS, TooMuchWork
from ocdp_operator.model.faults import Fault, dotted
from ocdp_operator.model.names import MAX_VALUES_BYTES
from ocdp_operator.model.schema_parts import declared
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.filling import Filled, Steps, filled, filled_part
from ocdp_operator.plan.schema import Violation, violations, violations_at
from ocdp_operator.plan.subschemas import TooDeep
from ocdp_operator.plan.wording import listed, shown

MAX_DEPTH: Final = 50
"""Levels of nesting in ``spec.values``."""

_RULES: Final[Mapping[str, str]] = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "const": "must be {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "pattern": "must match the pattern {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "uniqueItems": "must not hold an item twice",
    "contains": "lacks a required item",
    "minProperties": "must have at least {} fields",
    "maxProperties": "must have at most {} fields",
    "required": "is required",
    "additionalProperties": "is not a value of this template",
    "propertyNames": "has a field whose name is not allowed",
    "format": "must be of the format {}",
    "dependentRequired": "lacks a field that another one requires",
    "anyOf": "fits none of the allowed forms",
    "oneOf": "must fit exactly one of the allowed forms",
    "not": "has a form that is not allowed",
    "quantityMinimum": "must be at least {}",
    "quantityMaximum": "must be at most {}",
    "secret": "is a secret: give it as secretKeyRef with name and key of a Secret in this namespace",
    "secretName": "must be the name of a Secret",
    "secretKey": "must be a key of a Secret: letters, digits, '-', '_' and '.'",
    "platforms": "is set by the platform and cannot be given: leave it out",
    "unprintable": "holds a control character, which no manifest can hold: take it out",
}
_GENERATED: Final = ", or leave it out to have it generated"
UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")
"""Characters that YAML cannot hold, or changes; no schema can allow them. Tabs and line breaks are for patterns to judge."""
_TEMPLATE_REMEDY: Final = "Publish a revision of the template with a correct schema and mappings."


def check_size(values: Mapping[str, Any]) -> None:
    """Raises Stalled(ValuesTooLarge) above 64 KiB of canonical JSON or 50 levels; asks nothing of the catalog."""
    if _is_deeper(values, MAX_DEPTH):
        raise Stalled(
            Reason.VALUES_TOO_LARGE,
            f"spec.values is nested more than {MAX_DEPTH} levels deep.",
            value_path="/spec/values",
            remedy=f"Nest spec.values at most {MAX_DEPTH} levels deep.",
        )
    try:
        size = len(canonical_json(values))
    except orjson.JSONEncodeError:
        raise Stalled(
            Reason.INVALID_VALUES,
            "spec.values holds text or numbers that JSON cannot carry.",
            value_path="/spec/values",
        ) from None
    if size > MAX_VALUES_BYTES:
        raise Stalled(
            Reason.VALUES_TOO_LARGE,
            f"spec.values has {size} bytes of JSON; at most {MAX_VALUES_BYTES} are allowed.",
            value_path="/spec/values",
        )


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            below
            for item in level
            if isinstance(item, Mapping | list)
            for below in (item.values() if isinstance(item, Mapping) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, Mapping | list) for item in level)


def fill(
    values: Mapping[str, Any], schema: Mapping[str, Any], facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The values with what ``facts`` (profile, workspace, claim) and defaults add; what was given is not changed in place.

    Raises Stalled(InvalidValues) that names every violation and no value; the first decides ``value_path``. When it
    is the schema or the environment that does not fit, the platform must act; Stalled(ProfileIncomplete) names a field
    that a required value comes from. Raises Stalled(ValuesTooLarge) when it would take too long.
    """
    try:
        complete = filled(values, schema, facts)
        found = [
            *violations(canonical_json(schema), complete.values),
            *(Violation(steps, "platforms", None) for steps in complete.refused),
            *(Violation(steps, "unprintable", None) for steps in _unprintable(complete.values, ())),
        ]
    except TooMuchWork:
        raise _too_much_work() from None
    except (Unresolvable, TooDeep, RecursionError, ValueError, TypeError, ArithmeticError) as error:
        raise template_fault(f"The schema of the template cannot be used ({type(error).__name__}).") from None
    given = [each for each in found if _owner(each, complete) is None]
    if given:
        raise _refused(given, "spec.values does not fit the template")
    if found:
        raise _environment_fault(found, complete)
    return complete.values


def _refused(found: Iterable[Violation], lead: str, actor: Actor | None = None, remedy: str = "") -> Stalled:
    complaints = _complaints(found)
    message = listed(lead, [f"{path} {why}" for path, why in complaints])
    return Stalled(Reason.INVALID_VALUES, message, value_path=complaints[0][0], actor=actor, remedy=remedy)


def _owner(violation: Violation, complete: Filled) -> Steps | None:
    """The path above a violation that the platform sets; None where the claim's own values are to blame."""
    if violation.keyword == "platforms":
        return None
    ends = range(1, len(violation.path) + 1)
    return next((steps for end in ends if (steps := violation.path[:end]) in complete.platforms), None)


def _environment_fault(found: Sequence[Violation], complete: Filled) -> Stalled:
    for violation in found:
        source = complete.platforms.get(violation.path, "")
        if violation.keyword == "required" and source.startswith("profile."):
            return Stalled(
                Reason.PROFILE_INCOMPLETE,
                f"{pointer(violation.path)} comes from '{source}', which no profile of this workspace sets.",
                value_path=pointer(violation.path),
            )
    lead = "What the platform sets does not fit the template"
    return _refused(
        found, lead, Actor.PLATFORM, "Correct the environment profile, or the schema of the template."
    )


def _unprintable(value: Any, steps: Steps) -> Iterator[Steps]:
    if isinstance(value, str):
        if UNPRINTABLE.search(value):
            yield steps
    elif isinstance(value, Mapping):
        for name, below in value.items():
            if UNPRINTABLE.search(name):
                yield (*steps, name)
            yield from _unprintable(below, (*steps, name))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _unprintable(below, (*steps, index))


def suggestion_faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Defaults and examples of properties that do not fit where they are written; the schema itself has no faults."""
    text = canonical_json(schema)
    for steps, named, speaking in declared(schema):
        for keyword, suggested in _suggestions(speaking) if named else ():
            try:
                complete = [filled_part(suggested, part, schema) for part in speaking]
                found = [
                    each
                    for part, value in zip(speaking, complete, strict=True)
                    for each in violations_at(text, part, value)
                ]
            except (Unresolvable, TooDeep, RecursionError, ValueError, TypeError, ArithmeticError) as error:
                yield Fault(dotted((*steps, *keyword)), f"cannot be checked ({type(error).__name__})")
                continue
            for violation in found[:1]:
                where = f"{dotted(violation.path)} " if violation.path else ""
                yield Fault(
                    dotted((*steps, *keyword)), f"does not fit its own schema: {where}{_rule(violation)}"
                )


def _suggestions(speaking: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Steps, Any]]:
    for part in speaking:
        if "default" in part:
            yield ("default",), part["default"]
        for index, example in enumerate(part.get("examples") or ()):
            yield ("examples", index), example


def _too_much_work() -> Stalled:
    return Stalled(
        Reason.VALUES_TOO_LARGE,
        f"It takes more than {MAX_STEPS} steps to check spec.values against the schema of the template.",
        value_path="/spec/values",
        remedy="Give fewer or shorter values; if few are refused too, the platform must make the schema simpler.",
    )


def template_fault(message: str) -> Stalled:
    """The error for a schema or a mapping that no value can satisfy: the platform must act, not the user."""
    return Stalled(Reason.INVALID_VALUES, message, actor=Actor.PLATFORM, remedy=_TEMPLATE_REMEDY)


def pointer(steps: Sequence[str | int]) -> str:
    """The JSON pointer of a value in the claim: ``/spec/values/...`` (RFC 6901), fit for a message and for the status."""
    escaped = (shown(str(step), 64).replace("~", "~0").replace("/", "~1") for step in steps)
    return shown("/".join(("/spec/values", *escaped)), 512)


def _complaints(found: Iterable[Violation]) -> list[tuple[str, str]]:
    """Path and rule of each violation, each once, in the order of their paths."""
    rules: dict[tuple[str, int], str] = {}
    complaints = set()
    for each in found:
        # Worded once: a rule may be as long as the schema, and broken at every item of a list.
        worded = (each.keyword, id(each.rule))
        if worded not in rules:
            rules[worded] = _rule(each)
        complaints.add((pointer(each.path), rules[worded]))
    return sorted(complaints)


def _rule(violation: Violation) -> str:
    text, rule = _RULES.get(violation.keyword, "is not allowed"), violation.rule
    if violation.keyword == "secret":
        return text + _GENERATED if rule is True else text
    if isinstance(rule, list):
        return text.format(shown(", ".join(_worded(item) for item in rule), 200))
    return text.format(shown(_worded(rule), 200))


def _worded(rule: Any) -> str:
    return rule if isinstance(rule, str) else canonical_json(rule).decode()


def roots_of(workload: ResolvedWorkload) -> Mapping[str, Mapping[str, Any]]:
    """What a mapping reads: ``values``, ``profile``, ``workspace`` and ``claim``."""
    return {
        "values": workload.values,
        "profile": workload.environment.fields,
        "workspace": {"id": workload.workspace_id, "customer": workload.customer},
        "claim": {"name": workload.claim_name, "namespace": workload.namespace},
    }


def look_up(path: str, roots: Mapping[str, Mapping[str, Any]]) -> Any:
    """What ``values.a.b``, ``workspace.x`` or ``claim.x`` names; None where nothing is."""
    found: Any = roots
    for step in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found
