"""Whether values that a schema accepts are accepted by the next one too: what breaks is named, what cannot be proven breaks.

Both schemas are taken to be without faults. Proven is that every claim's values that pass today pass after the upgrade;
beside that, what a value means (its unit) and whether a secret is made must stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote

from ocdp_operator.model.effort import TooMuchWork
from ocdp_operator.model.keyword import KEYWORD, Keyword, keyword_of
from ocdp_operator.model.quantity import Quantity
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.schema import CHECKED_FORMATS, violations_at
from ocdp_operator.plan.subschemas import TooDeep, takes_null
from ocdp_operator.plan.wording import shown

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_OPAQUE: Final = (
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "$dynamicRef",
)
"""Keywords that must stay as they are: what a change of them does is not looked into."""
_NARROWING: Final = ("patternProperties", "prefixItems", "minContains")
"""Those without which less may be accepted."""
_COUNTING: Final = ("minProperties", "maxProperties", "propertyNames", "patternProperties")
_UNPROVEN: Final = "changed; that every value of today still fits cannot be proven"
_WORDS: Final = (KEYWORD, "title", "description", "examples", "default", "$comment", "readOnly", "deprecated")
_MAX_DEPTH: Final = 40
_MAX_PAIRS: Final = 4000
"""Parts of both schemas that are compared, each with what above looks at it; of a schema without references there are fewer."""
_ANYTHING: Final[Mapping[str, Any]] = {}


def breaking_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Everything by which the new schema may refuse, or take otherwise, what the old one accepts: ``/path: what``.

    Empty: every value that the old one accepts is accepted by the new one.
    """
    comparison = _Comparison(old, new)
    comparison.nodes(old, new, _Place())
    return tuple(dict.fromkeys(comparison.found))


@dataclass(frozen=True, slots=True)
class _Place:
    steps: tuple[str, ...] = ()
    conditions: frozenset[str] = frozenset()
    """Keywords above, as JSON, whose outcome may depend on what is filled in here."""
    whole: bool = False
    """Something above compares whole objects."""

    def below(self, step: str) -> _Place:
        return replace(self, steps=(*self.steps, step))

    def __str__(self) -> str:
        return "/" + "/".join(shown(step) for step in self.steps)


@dataclass(slots=True)
class _Comparison:
    old_root: Mapping[str, Any]
    new_root: Mapping[str, Any]
    found: list[str] = field(default_factory=list)
    seen: set[tuple[int, int, frozenset[str], bool]] = field(default_factory=set)
    """Pairs that are judged: one that several refer to is judged under each of what above looks at it."""

    def say(self, place: _Place, what: str) -> None:
        self.found.append(f"{place}: {what}")

    def nodes(self, old_node: Any, new_node: Any, place: _Place) -> None:
        if new_node is True or new_node == {} or old_node is False:
            return
        if new_node is False:
            self.say(place, "removed")
            return
        old_node = _ANYTHING if old_node is True else old_node
        if self._is_judged(old_node, new_node, place):
            return
        old, new = _flat(old_node, self.old_root), _flat(new_node, self.new_root)
        if old is None or new is None or len(place.steps) > _MAX_DEPTH:
            if not self._same(old_node, new_node):
                self.say(place, _UNPROVEN)
            return
        said, says = keyword_of(old), keyword_of(new)
        if self._keywords(said, says, place):
            self._null_of_a_secret(old_node, new_node, place)
            return  # a secret: nothing else of its schema counts
        if self._finite(old, new_node, place):
            return
        self._rules(old, new, place)
        self._object(old, new, _inside(place, new))
        self._list(old, new, _inside(place, new))

    def _is_judged(self, old_node: Any, new_node: Any, place: _Place) -> bool:
        pair = (id(old_node), id(new_node), place.conditions, place.whole)
        if pair in self.seen:
            return True
        self.seen.add(pair)
        if len(self.seen) > _MAX_PAIRS:
            self.say(_Place(), _UNPROVEN)
            return True
        return False

    def _keywords(self, said: Keyword, says: Keyword, place: _Place) -> bool:
        if said.is_secret is not says.is_secret:
            self.say(place, "is a secret now" if says.is_secret else "is no secret any more")
            return True
        if said.generate and not says.generate:
            self.say(place, "is not generated any more")
        if says.is_platforms and not said.is_platforms:
            self.say(place, "cannot be given any more")
        if said.unit != says.unit:
            self.say(place, f"unit changed from {said.unit or 'none'} to {says.unit or 'none'}")
        for name, rose in (("minimum", _is_more), ("maximum", _is_less)):
            before, after = getattr(said, name), getattr(says, name)
            if after is not None and (before is None or rose(after, before)):
                self.say(place, f"{name} of the quantity changed from {before or 'none'} to {after}")
        return says.is_secret

    def _null_of_a_secret(self, old_node: Any, new_node: Any, place: _Place) -> None:
        try:
            lost = takes_null(old_node, self.old_root) and not takes_null(new_node, self.new_root)
        except (TooDeep, TooMuchWork):
            self.say(place, _UNPROVEN)
            return
        if lost:
            self.say(place, "type null is not accepted any more")

    def _finite(self, old: Mapping[str, Any], new_node: Any, place: _Place) -> bool:
        """Where only a few values are accepted today, each of them is tried."""
        values = _values_of(old)
        if values is None or any(isinstance(value, Mapping | list) for value in values):
            return False
        root = canonical_json(self.new_root)
        for value in values:
            if violations_at(root, new_node, value):
                self.say(place, f"{shown(canonical_json(value).decode())} is not accepted any more")
        return True

    def _rules(self, old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> None:
        before, after = _types(old), _types(new)
        if lost := sorted(before - after):
            self.say(place, f"type {', '.join(lost)} is not accepted any more")
        for keywords, word, breaks in ((_LOWER, "raised", _more), (_UPPER, "lowered", _less)):
            for keyword in keywords:
                self._bound(keyword, word, breaks, old, new, place)
        for keyword in ("enum", "const"):
            if keyword in new and not self._same(old.get(keyword), new[keyword]):
                self.say(place, f"only the values of {keyword} are accepted now")
        factor, known = new.get("multipleOf"), old.get("multipleOf")
        if factor is not None and factor != known and not _divides(factor, known):
            self.say(place, f"multipleOf changed from {known if known is not None else 'none'} to {factor}")
        if new.get("uniqueItems") and not old.get("uniqueItems"):
            self.say(place, "uniqueItems added")
        self._texts(old, new, place)
        self._conditions(old, new, place)

    def _texts(self, old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> None:
        for keyword in ("pattern", "format"):
            text = new.get(keyword)
            checked = keyword == "pattern" or text in CHECKED_FORMATS
            if text is not None and checked and old.get(keyword) != text:
                self.say(place, f"{keyword} {_UNPROVEN if keyword in old else 'added'}")

    def _conditions(self, old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> None:
        for keyword in _OPAQUE:
            dropped = keyword in old and keyword not in new and keyword in _NARROWING
            if dropped or (keyword in new and not self._same(old.get(keyword), new[keyword])):
                self.say(place, f"{keyword} {_UNPROVEN}")

    def _bound(
        self,
        keyword: str,
        word: str,
        breaks: Callable[[Any, Any], bool],
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        place: _Place,
    ) -> None:
        before, after = old.get(keyword), new.get(keyword)
        if after is None or (keyword.startswith("min") and keyword != "minimum" and after == 0):
            return
        if before is None:
            self.say(place, f"{keyword} {after} added")
        elif breaks(after, before):
            self.say(place, f"{keyword} {word} from {before} to {after}")

    def _object(self, old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> None:
        before, after = old.get("properties") or {}, new.get("properties") or {}
        others, others_now = old.get("additionalProperties", True), new.get("additionalProperties", True)
        for name, node in before.items():
            if name not in after:
                self.say(place.below(name), "removed")
            else:
                self.nodes(node, after[name], place.below(name))
        free = True if "patternProperties" in old else others
        for name, node in after.items():
            if name not in before:
                self.nodes(free, node, place.below(name))
        if others_now is False and others is not False:
            self.say(place, "other values are not accepted any more")
        elif others is not False:
            self.nodes(others, others_now, place.below("*"))
        for name in {*before, *after}:
            self._filled_in(name, old, new, place)
        for name in new.get("required") or ():
            if not self._stays_complete(name, old, new):
                self.say(place.below(name), "is required now, and nothing fills it in")

    def _stays_complete(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Whether a required property is there in every claim of today, or filled in."""
        after = _flat((new.get("properties") or {}).get(name, {}), self.new_root)
        if after is not None and _fills(after):
            return True
        before = _flat((old.get("properties") or {}).get(name, {}), self.old_root)
        return name in (old.get("required") or ()) and before is not None and not _fills(before)

    def _filled_in(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> None:
        """A default that changes changes what is judged: conditions, counts and comparisons above may then refuse it."""
        before, after = (
            _flat((each.get("properties") or {}).get(name, {}), root) or {}
            for each, root in ((old, self.old_root), (new, self.new_root))
        )
        filled, fills = (_filling(each) for each in (before, after))
        if canonical_json(filled) == canonical_json(fills):
            return
        source = keyword_of(after).from_
        if source != keyword_of(before).from_ and not _takes(after, source or ""):
            self.say(place.below(name), f"comes from {source} now; that it fits there cannot be proven")
        if keyword_of(after).immutable and keyword_of(before).immutable:
            self.say(place.below(name), "the default of an immutable value changed")
        elif place.whole or any(f'"{name}"' in condition for condition in place.conditions):
            self.say(place.below(name), "its default changed, and other rules of the schema look at it")

    def _list(self, old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> None:
        if "items" in new:
            self.nodes(old.get("items", True), new["items"], place.below("*"))

    def _same(self, old: Any, new: Any) -> bool:
        """Whether both say the same, and mean the same by what they refer to."""
        text = canonical_json(new)
        if canonical_json(old) != text:
            return False
        if b'"$ref"' not in text and b'"$dynamicRef"' not in text:
            return True
        return canonical_json(self.old_root) == canonical_json(self.new_root) or (
            text.count(b'"$ref"') == text.count(b'"$ref":"#/$defs/')
            and b'"$dynamicRef"' not in text
            and _self_contained(self.new_root)
            and canonical_json(self.old_root.get("$defs")) == canonical_json(self.new_root.get("$defs"))
        )


def _inside(place: _Place, node: Mapping[str, Any]) -> _Place:
    """The place below a schema, with what of it looks at what is below."""
    conditions = (canonical_json(node[keyword]).decode() for keyword in _OPAQUE if keyword in node)
    compares = "enum" in node or "const" in node or bool(node.get("uniqueItems"))
    counts = any(keyword in node for keyword in _COUNTING)
    whole = (
        place.whole or compares or counts or any(_compares_whole(node[key]) for key in _OPAQUE if key in node)
    )
    return replace(place, conditions=place.conditions.union(conditions), whole=whole)


def _compares_whole(value: Any) -> bool:
    if isinstance(value, list):
        return any(_compares_whole(each) for each in value)
    if not isinstance(value, Mapping):
        return False
    constants = [value.get("const"), *(value["enum"] if isinstance(value.get("enum"), list) else ())]
    return (
        any(isinstance(each, Mapping | list) for each in constants)
        or any(key in value for key in (*_COUNTING, "uniqueItems", "$ref"))
        or any(_compares_whole(each) for each in value.values())
    )


def _flat(node: Any, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema with what it refers to put in its place; None where two of them speak of the same."""
    flat: dict[str, Any] = {}
    for _ in range(_MAX_DEPTH):
        if not isinstance(node, Mapping):
            return None
        rules = {key: value for key, value in node.items() if key != "$ref"}
        shared = (rules.keys() & flat.keys()) - {"title", "description", "examples", "$comment"}
        if shared:
            return None
        flat = rules | flat
        if "$ref" not in node:
            return flat
        node = _referenced(node["$ref"], root)
    return None


def _referenced(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in unquote(reference.removeprefix("#")).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _self_contained(root: Mapping[str, Any]) -> bool:
    text = canonical_json(root.get("$defs"))
    return text.count(b'"$ref"') == text.count(b'"$ref":"#/$defs/')


def _values_of(node: Mapping[str, Any]) -> Sequence[Any] | None:
    if "const" in node:
        return [node["const"]]
    if isinstance(node.get("enum"), list):
        types = _types(node)
        return [value for value in node["enum"] if _type_of(value) in types]
    types = _types(node)
    if types <= {"boolean", "null"}:
        return [*((True, False) if "boolean" in types else ()), *((None,) if "null" in types else ())]
    return None


_ALL_TYPES: Final = frozenset({"array", "boolean", "fraction", "integer", "null", "object", "string"})


def _types(node: Mapping[str, Any]) -> frozenset[str]:
    """What the schema accepts; a number is an integer or a fraction."""
    said = node.get("type")
    if said is None:
        return _ALL_TYPES
    names = {said} if isinstance(said, str) else set(said)
    return frozenset(names - {"number"} | ({"integer", "fraction"} if "number" in names else set()))


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if float(value).is_integer() else "fraction"
    names = {str: "string", type(None): "null", list: "array", dict: "object"}
    return names[type(value)]


def _filling(node: Mapping[str, Any]) -> tuple[Any, ...]:
    keyword = keyword_of(node)
    return (keyword.from_, "default" in node and not keyword.is_secret, node.get("default"))


def _takes(node: Mapping[str, Any], source: str) -> bool:
    """Whether a property takes whatever its source has: a fact is text, a profile's field may be anything."""
    rules = {key: rule for key, rule in node.items() if key not in _WORDS}
    return not source or not rules or (not source.startswith("profile.") and rules == {"type": "string"})


def _fills(node: Mapping[str, Any]) -> bool:
    """Whether a property is never missing: by its default, by being generated, or from what every claim has."""
    keyword = keyword_of(node)
    always = keyword.from_ is not None and not keyword.from_.startswith("profile.")
    return keyword.generate is not None or always or ("default" in node and not keyword.is_secret)


def _is_more(text: str, other: str) -> bool:
    return Quantity.parse(text) > Quantity.parse(other)


def _is_less(text: str, other: str) -> bool:
    return Quantity.parse(text) < Quantity.parse(other)


def _more(number: float, other: float) -> bool:
    return number > other


def _less(number: float, other: float) -> bool:
    return number < other


def _divides(factor: Any, known: Any) -> bool:
    return type(factor) is int and type(known) is int and factor != 0 and known % factor == 0
