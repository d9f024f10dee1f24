"""ResolvedWorkload x evaluated expressions -> the same with its mappings bound: what goes where, for this one claim (design 3).

A secret is a token in everything that is read here; what reaches the target ``secret`` is told apart again, and a token
that reaches another target is the template's fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import orjson

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.effort import TooMuchWork
from ocdp_operator.model.expression import Evaluated
from ocdp_operator.model.expression_functions import env_name
from ocdp_operator.model.mapping import ForEach, Mapping_
from ocdp_operator.model.secrets import SecretUse, SecretValue
from ocdp_operator.model.template import Bound, ResolvedWorkload
from ocdp_operator.model.values_schema import ValuesSchema
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.secret_values import holds_token, secret_text, secrets_of, with_tokens
from ocdp_operator.plan.subschemas import TooDeep
from ocdp_operator.plan.values import UNPRINTABLE, look_up, pointer, roots_of, template_fault
from ocdp_operator.plan.wording import shown

_PATH: Final = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE_PARTS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "name": (
        re.compile(rf"(?:[A-Za-z0-9.-]{{1,253}}(?::[0-9]{{1,5}})?/)?{_PATH}(?:/{_PATH})*"),
        "the name of an image, without tag and digest",
    ),
    "tag": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"), "the tag of an image"),
    "digest": (re.compile(r"sha256:[0-9a-f]{64}"), "the digest of an image, sha256:..."),
}
_MAX_IMAGE: Final = 512
_MAX_REPLICAS: Final = 10_000


def expressions_of(workload: ResolvedWorkload) -> tuple[str, ...]:
    """The expressions of the revision's mappings, each once."""
    mappings = workload.revision.body.mappings
    return tuple(
        dict.fromkeys(text for each in mappings for text in (each.when, each.value) if text is not None)
    )


def expression_roots(workload: ResolvedWorkload) -> Mapping[str, Any]:
    """What expressions read: values with tokens for secrets, profile, workspace and claim. Raises Stalled(InvalidValues)."""
    return _roots(workload, _secrets(workload))


def bind(workload: ResolvedWorkload, evaluated: Mapping[str, Evaluated]) -> ResolvedWorkload:
    """The workload with what its mappings bring: ``bound``, ``secrets`` and ``components``.

    ``evaluated`` has every expression of ``expressions_of``. Raises Stalled: InvalidValues, where a value that the schema
    accepts cannot be used (the user's to mend) or a mapping cannot (the platform's), and ProfileIncomplete.
    """
    secrets = _secrets(workload)
    binding = _Binding(workload, evaluated, _roots(workload, secrets), secrets)
    bound: list[Bound] = []
    components: list[str] = []
    uses: list[SecretUse] = []
    for index, mapping in enumerate(workload.revision.body.mappings):
        value = binding.value(index, mapping)
        if value is None:
            continue
        each = Bound(index, mapping, value)
        if mapping.secret is not None:
            uses += binding.secret_uses(each)
            continue
        if holds_token(value):
            raise _fault(index, mapping, "a secret goes nowhere but to the target `secret`")
        if mapping.components is not None:
            components += binding.components(each, mapping.components)
        else:
            bound.append(replace(each, value=binding.checked(each)))
    return replace(
        workload,
        bound=tuple(bound),
        components=tuple(dict.fromkeys(components)),
        secrets=tuple(uses),
    )


def _secrets(workload: ResolvedWorkload) -> tuple[SecretValue, ...]:
    try:
        return secrets_of(workload.values, workload.revision.body.values_schema)
    except (TooMuchWork, TooDeep, ValueError, TypeError) as error:
        raise template_fault(f"The schema of the template cannot be used ({type(error).__name__}).") from None


def _roots(workload: ResolvedWorkload, secrets: Sequence[SecretValue]) -> Mapping[str, Mapping[str, Any]]:
    return {**roots_of(workload), "values": with_tokens(workload.values, secrets)}


def _fault(index: int, mapping: Mapping_, why: str) -> Stalled:
    return template_fault(f"mappings[{index}], to {shown(mapping.target, 200)}: {why}.")


@dataclass(frozen=True, slots=True)
class _Binding:
    workload: ResolvedWorkload
    evaluated: Mapping[str, Evaluated]
    roots: Mapping[str, Mapping[str, Any]]
    secrets: Sequence[SecretValue]
    keys: dict[str, int] = field(default_factory=dict)
    """Keys of the credentials Secret -> the mapping that gave it."""

    def value(self, index: int, mapping: Mapping_) -> Any:
        """What the mapping brings, with tokens; None: nothing."""
        if mapping.when is not None:
            applies = self._result(index, mapping, mapping.when)
            if not isinstance(applies, bool):
                raise _fault(index, mapping, "`when` must be true or false")
            if not applies:
                return None
        if mapping.value is not None:
            return _without_nulls(self._result(index, mapping, mapping.value))
        found = look_up(mapping.source, self.roots)
        if found is None and mapping.source.startswith("profile."):
            raise _incomplete(mapping.source)
        return found

    def _result(self, index: int, mapping: Mapping_, expression: str) -> Any:
        result = self.evaluated[expression]
        if result.missing.startswith("profile."):
            raise _incomplete(result.missing)
        if result.failure:
            which = "`when`" if expression == mapping.when else "`value`"
            raise _fault(index, mapping, f"{which} cannot be evaluated: {result.failure}")
        return result.value

    def checked(self, bound: Bound) -> Any:
        """The value as it goes into the overlay, of a type that its target takes."""
        mapping, value = bound.mapping, bound.value
        if any(UNPRINTABLE.search(text) for text in _texts(value)):
            raise self._misfit(bound, "holds a control character, which no manifest can hold")
        if type(value) in {int, float} and mapping.from_ is not None:
            value = _with_unit(
                value, _unit(canonical_json(self.workload.revision.body.values_schema), mapping.from_)
            )
        if mapping.image is not None:
            known, words = _IMAGE_PARTS[mapping.image.part]
            if not isinstance(value, str) or len(value) > _MAX_IMAGE or not known.fullmatch(value):
                raise self._misfit(bound, f"must be {words}")
        if mapping.replicas is not None:
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or value not in range(_MAX_REPLICAS)
            ):
                raise self._misfit(bound, f"must be a whole number from 0 to {_MAX_REPLICAS - 1}")
            value = int(value)
        return value

    def _misfit(self, bound: Bound, why: str) -> Stalled:
        """A user mends a value that is taken as it is; what an expression makes of values is the template's."""
        root, *steps = bound.mapping.source.split(".")
        if bound.mapping.from_ is None or root != "values":
            return _fault(bound.index, bound.mapping, f"its value {why}")
        at = pointer(steps)
        return Stalled(Reason.INVALID_VALUES, f"{at} {why}.", value_path=at)

    def components(self, bound: Bound, table: Mapping[str, str | None]) -> Iterator[str]:
        """The component that the value chooses. JSON has more types than a table has keys: 3 is found under "3"."""
        value = bound.value
        key = value if isinstance(value, str) else canonical_json(value).decode()
        if key not in table:
            choices = shown(", ".join(sorted(table)), 200)
            raise self._misfit(bound, f"must be one of {choices}, since it chooses a component")
        component = table[key]
        if component is None:
            return
        if component not in self.workload.revision.body.components:
            raise _fault(bound.index, bound.mapping, f"the template does not offer {shown(component)}")
        yield component

    def secret_uses(self, bound: Bound) -> Iterator[SecretUse]:
        """The keys that the mapping gives to the credentials Secret."""
        target = bound.mapping.secret
        assert target is not None
        if target.for_each is not None:
            yield from self._of_items(bound, target.for_each)
            return
        use = self._use(bound, target.key or "", bound.value)
        if self.keys.setdefault(use.key, bound.index) != bound.index:
            raise _fault(bound.index, bound.mapping, f"mappings[{self.keys[use.key]}] gives this key too")
        yield use

    def _use(self, bound: Bound, key: str, value: Any) -> SecretUse:
        is_path = bound.mapping.from_ is not None
        if is_path and not holds_token(value):
            raise _fault(
                bound.index,
                bound.mapping,
                f"'{shown(bound.mapping.source)}' is no secret: its property needs x-ocdp.secret or x-ocdp.generate",
            )
        if not isinstance(value, str):
            raise _fault(bound.index, bound.mapping, "its value must be text")
        try:
            return SecretUse(key, secret_text(value, self.secrets), bound.index)
        except ValueError:
            raise _fault(bound.index, bound.mapping, "its value takes a secret to pieces") from None

    def _of_items(self, bound: Bound, each: ForEach) -> Iterator[SecretUse]:
        items = bound.value
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            raise _fault(bound.index, bound.mapping, "its value must be a list of objects")
        given: dict[str, int] = {}
        for number, item in enumerate(items):
            name, value = item.get(each.name), item.get(each.value)
            if not isinstance(name, str) or holds_token(name):
                if value is None:
                    continue
                raise _fault(bound.index, bound.mapping, f"an item has no {each.name}, which names its key")
            key = f"{each.prefix}{env_name(name)}{each.suffix}"
            # Of an item without a secret too: what it is called in the result must be one thing.
            if given.setdefault(key, number) != number:
                raise self._same_name(number, bound, each)
            if value is None:
                continue
            use = self._use(bound, key, value)
            if self.keys.setdefault(use.key, bound.index) != bound.index:
                raise self._same_name(number, bound, each)
            yield use

    def _same_name(self, number: int, bound: Bound, each: ForEach) -> Stalled:
        beside: tuple[str | int, ...] = ()
        if bound.mapping.from_ is not None:
            beside = (*bound.mapping.from_.split(".")[1:], number, each.name)
        at = pointer(beside)
        return Stalled(
            Reason.INVALID_VALUES,
            f"{at} has a name that is given already: name the item otherwise.",
            value_path=at,
        )


def _incomplete(path: str) -> Stalled:
    return Stalled(
        Reason.PROFILE_INCOMPLETE,
        f"The template needs {shown(path, 200)}, which no environment profile of this claim says.",
    )


def _without_nulls(value: Any) -> Any:
    """Of what an expression makes, null in a map stands for no entry: CEL has no other way to say it."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(below) for key, below in value.items() if below is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield key
            yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)


@lru_cache(maxsize=1024)
def _unit(schema_json: bytes, path: str) -> str:
    """``x-ocdp: {unit: Gi}`` of the property that a mapping reads; empty when it has none."""
    root, *steps = path.split(".")
    if root != "values":
        return ""
    for declared in ValuesSchema(orjson.loads(schema_json)).declared_at(steps):
        keyword = declared.get("x-ocdp")
        if isinstance(keyword, Mapping) and isinstance(keyword.get("unit"), str):
            return str(keyword["unit"])
    return ""


def _with_unit(number: float, unit: str) -> Any:
    if not unit:
        return number
    return f"{int(number) if float(number).is_integer() else number}{unit}"
