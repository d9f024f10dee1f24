"""What can be said against a mapping before any claim is there: its paths, its expressions, its target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.model.expression import ITEM, Analysis, BadExpression, analyse
from ocdp_operator.model.faults import Fault, dotted
from ocdp_operator.model.keyword import KEYWORD
from ocdp_operator.model.kinds import RUNTIME_KINDS
from ocdp_operator.model.mapping import MAPPING_FACTS, ForEach, Mapping_, PatchTarget
from ocdp_operator.model.profile_body import is_profile_field
from ocdp_operator.model.schema_parts import declared
from ocdp_operator.model.template import RevisionBody
from ocdp_operator.model.values_schema import ValuesSchema
from ocdp_operator.model.wire import canonical_json

MAX_RANGE: Final = 200
"""Items of a list that a macro or ``forEach`` goes over."""
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?")
_FILE: Final = re.compile(r"[-._A-Za-z0-9]{1,253}")
_FIXED: Final = ("/apiVersion", "/kind", "/metadata/name", "/metadata/namespace")
"""What the operator alone decides."""


def mappings_faults(body: RevisionBody, schema: ValuesSchema) -> Iterator[Fault]:
    """Everything that is wrong with the mappings of a template, each fault with its place."""
    for index, mapping in enumerate(body.mappings):
        checked = _Checked(mapping, body, schema)
        yield from (fault.under(f"mappings[{index}]") for fault in checked.faults())
    keys: dict[str, int] = {}
    for index, mapping in enumerate(body.mappings):
        key = mapping.secret.key if mapping.secret is not None and mapping.when is None else None
        if key is not None and keys.setdefault(key, index) != index:
            yield Fault(f"mappings[{index}].secret.key", f"mappings[{keys[key]}] sets {key} already")


def source_fault(path: str, schema: ValuesSchema) -> str | None:
    """Why nothing is at a path, as far as the template tells; None: something may be."""
    root, *steps = path.split(".")
    if root == "values":
        return None if schema.declared_at(steps) else f"the schema declares no {dotted(steps)}"
    if root == "profile":
        return None if is_profile_field(steps) else f"a profile has no field {dotted(steps)}"
    return None if path in MAPPING_FACTS else f"unknown; beside values and profile there are {_FACTS}"


_FACTS: Final = ", ".join(MAPPING_FACTS)


@dataclass(frozen=True, slots=True)
class _Checked:
    mapping: Mapping_
    body: RevisionBody
    schema: ValuesSchema

    def faults(self) -> Iterator[Fault]:
        mapping = self.mapping
        if mapping.from_ is not None:
            yield from self._source(mapping.from_)
        for place, expression in (("value", mapping.value), ("when", mapping.when)):
            if expression is not None:
                yield from (fault.under(place) for fault in self._expression(expression))
        yield from self._target()

    def _source(self, path: str) -> Iterator[Fault]:
        if (why := source_fault(path, self.schema)) is not None:
            yield Fault("from", why)
            return
        root, *steps = path.split(".")
        nodes = self.schema.declared_at(steps) if root == "values" else ()
        within = self._secret_within(nodes)
        if self.mapping.secret is None and within is not None:
            what = "is a secret" if not within else f"holds the secret {dotted(within)}"
            yield Fault("from", f"{dotted(steps)} {what}: that goes to the target secret, and nowhere else")
        if self.mapping.secret is not None and self.mapping.secret.key and within != ():
            yield Fault("from", f"{path} is no secret: write `x-ocdp: {{secret: true}}` at it in the schema")
        if self.mapping.secret is not None and self.mapping.secret.for_each is not None:
            yield from self._each(self.mapping.secret.for_each, root, steps)

    def _each(self, target: ForEach, root: str, steps: list[str]) -> Iterator[Fault]:
        if root != "values":
            yield Fault("secret.forEach", "it goes over a list of the values")
            return
        yield from self._range(steps, "from")
        for key, field in (("name", target.name), ("value", target.value)):
            nodes = self.schema.declared_at((*steps, ITEM, field))
            if not nodes:
                yield Fault(f"secret.forEach.{key}", f"an item of {dotted(steps)} has no {field}")
            elif any(_is_secret(node) for node in nodes) is not (key == "value"):
                what = "no secret" if key == "value" else "a secret"
                yield Fault(f"secret.forEach.{key}", f"{field} is {what}")

    def _expression(self, expression: str) -> Iterator[Fault]:
        try:
            found: Analysis = analyse(expression)
        except BadExpression as error:
            yield Fault("", str(error))
            return
        for reference in found.references:
            root, *steps = reference.steps
            if root == "values" and not self.schema.declared_at(steps):
                yield Fault("", f"the schema declares no {reference}".replace("no values.", "no ", 1))
            if root == "profile" and not is_profile_field(steps):
                yield Fault("", f"a profile has no field {reference}".replace("field profile.", "field ", 1))
        for reference in found.ranges:
            yield from self._range(reference.steps[1:], "")

    def _range(self, steps: Sequence[str], place: str) -> Iterator[Fault]:
        bounds = [node["maxItems"] for node in self.schema.declared_at(steps) if "maxItems" in node]
        if not any(bound <= MAX_RANGE for bound in bounds):
            what = f"{dotted(steps)} is gone over item by item: give it a maxItems of at most {MAX_RANGE}"
            yield Fault(place, f"{what} in the schema")

    def _target(self) -> Iterator[Fault]:
        mapping = self.mapping
        if mapping.patch is not None:
            yield from (fault.under("patch") for fault in _patch_faults(mapping.patch))
        if (target := mapping.config_file) is not None:
            if _NAME.fullmatch(target.config_map) is None:
                yield Fault("configFile.configMap", "no ConfigMap can have this name")
            if _FILE.fullmatch(target.file) is None:
                yield Fault("configFile.file", "no ConfigMap can hold a file of this name")
        if mapping.replicas is not None and _NAME.fullmatch(mapping.replicas.name) is None:
            yield Fault("replicas.name", "no object can have this name")
        if mapping.components is not None:
            yield from self._components(mapping.components)

    def _components(self, table: Mapping[str, str | None]) -> Iterator[Fault]:
        for value, component in table.items():
            if component is not None and component not in self.body.components:
                yield Fault(
                    f"components.{value}", f"{component} is not listed under the template's components"
                )
        root, *steps = (self.mapping.from_ or "").split(".")
        nodes = self.schema.declared_at(steps) if root == "values" else ()
        choices = {_choice(value) for node in nodes for value in _offered(node) if value is not None}
        if choices and choices != set(table):
            yield Fault("components", f"list each value that the schema offers: {', '.join(sorted(choices))}")

    def _secret_within(self, nodes: Sequence[Mapping[str, Any]]) -> tuple[str | int, ...] | None:
        """Where, at or below these parts of the schema, a secret is; empty: they are it; None: nowhere."""
        if any(_is_secret(node) for node in nodes):
            return ()
        for node in nodes:
            for steps, _, speaking in declared(self.schema.root, node):
                if any(_is_secret(part) for part in speaking):
                    return tuple(step for step in steps if step not in {"properties", "items"})
        return None


def _patch_faults(target: PatchTarget) -> Iterator[Fault]:
    if target.kind not in {kind.kind for kind in RUNTIME_KINDS}:
        yield Fault("kind", f"the operator never writes a {target.kind}")
    if _NAME.fullmatch(target.name) is None:
        yield Fault("name", "no object can have this name")
    if re.search("~(?![01])", target.pointer):
        yield Fault("pointer", "a ~ is written ~0, and a / within a key ~1 (RFC 6901)")
    if any(target.pointer == fixed or target.pointer.startswith(f"{fixed}/") for fixed in _FIXED):
        yield Fault("pointer", "the operator sets this itself")


def _is_secret(node: Mapping[str, Any]) -> bool:
    said = node.get(KEYWORD)
    return isinstance(said, Mapping) and (said.get("secret") is True or "generate" in said)


def _offered(node: Mapping[str, Any]) -> Sequence[Any]:
    return (True, False) if node.get("type") == "boolean" else node.get("enum", ())


def _choice(value: Any) -> str:
    """The key that a value is found under in a mapping's table."""
    return value if isinstance(value, str) else canonical_json(value).decode()
