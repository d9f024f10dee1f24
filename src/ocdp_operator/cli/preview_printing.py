"""How previews are printed: where fields are from, and what would change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any, Final

import typer
from rich.console import Console
from rich.text import Text

from ocdp_operator.cli.output import Format, show_documents, show_table
from ocdp_operator.errors import Refused
from ocdp_operator.model.kinds import RUNTIME_KINDS
from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.provenance import FieldOrigin, Layer, Provenance, layer_word
from ocdp_operator.plan.difference import ABSENT, Change, FieldChange, ObjectChange

_WORDS: Final = ("base", "component", "mapping", "profile", "generated", "platform")
_SHORT: Final = {
    "cm": "configmap",
    "deploy": "deployment",
    "hpa": "horizontalpodautoscaler",
    "ing": "ingress",
    "netpol": "networkpolicy",
    "pdb": "poddisruptionbudget",
    "pvc": "persistentvolumeclaim",
    "sa": "serviceaccount",
    "sts": "statefulset",
    "svc": "service",
}
"""kubectl's."""
_LONGEST: Final = 80
_STYLES: Final = {
    Change.CREATED: "green",
    Change.CONFIGURED: "yellow",
    Change.DELETED: "red",
    Change.REFUSED: "bold red",
}


def chosen_object(provenance: Provenance, claim: str, said: str) -> ObjectRef:
    """The object that ``kind/name`` means; kinds as in kubectl; the claim's prefix and a hash may be left out.

    Raises Refused with the objects that there are.
    """
    kind, _, name = said.partition("/")
    names = _SHORT | {known.plural: known.kind.lower() for known in RUNTIME_KINDS}
    wanted = names.get(kind.lower(), kind.lower())
    of_kind = [ref for ref in provenance.objects if ref.kind.lower() == wanted]
    exact = [ref for ref in of_kind if ref.name in (name, f"{claim}-{name}")]
    begun = [ref for ref in of_kind if not name or ref.name.startswith((f"{name}-", f"{claim}-{name}-"))]
    for found in (exact, begun):
        if len(found) == 1:
            return found[0]
    known = ", ".join(str(ref) for ref in provenance.objects)
    raise Refused(f"The claim {claim} has no one object {said}.", remedy=f"Name one of {known}.")


def chosen_fields(fields: Sequence[FieldOrigin], ref: ObjectRef, pointer: str) -> list[FieldOrigin]:
    """The field, and those below it. Raises Refused when there is none."""
    if not fields:
        raise Refused(f"{ref} has no fields to explain.", remedy="Name another object.")
    wanted = pointer.rstrip("/")
    found = [
        each
        for each in fields
        if each.pointer == wanted or each.pointer.startswith((f"{wanted}/", f"{wanted}#"))
    ]
    if found:
        return found
    way = wanted
    while way and not any(each.pointer.startswith(f"{way}/") for each in fields):
        way = way.rpartition("/")[0]
    near = sorted(
        {
            f"{way}/{each.pointer[len(way) + 1 :].split('/')[0]}"
            for each in fields
            if each.pointer.startswith(f"{way}/")
        }
    )
    raise Refused(f"{ref} has no field {pointer}.", remedy=f"There are {', '.join(near)}.")


def show_summary(provenance: Provenance, output: Format) -> None:
    """How many fields of each object each kind of layer set; as documents: every field."""
    if output is not Format.TABLE:
        show_documents([_document(ref, fields) for ref, fields in provenance.objects.items()], output)
        return
    rows = []
    for ref, fields in provenance.objects.items():
        counts = Counter(layer_word(each.layer) for each in fields)
        rows.append((str(ref), str(len(fields)), *(str(counts[word] or "-") for word in _WORDS)))
    show_table(("OBJECT", "FIELDS", *(word.upper() for word in _WORDS)), rows)


def show_fields(ref: ObjectRef, fields: Sequence[FieldOrigin], output: Format) -> None:
    """Each field with its value and its layer."""
    if output is not Format.TABLE:
        show_documents([_document(ref, fields)], output)
        return
    rows = [(each.pointer, _short(each.value), layer_word(each.layer), str(each.layer)) for each in fields]
    show_table(("FIELD", "VALUE", "SET BY", "FROM"), rows)


def _document(ref: ObjectRef, fields: Iterable[FieldOrigin]) -> dict[str, Any]:
    listed = [{"field": each.pointer, "value": each.value, **_layer(each.layer)} for each in fields]
    return {"object": str(ref), "fields": listed}


def _layer(layer: Layer | None) -> dict[str, Any]:
    if layer is None:
        return {}
    details = {key: _plain(value) for key, value in asdict(layer).items() if value not in (None, "")}
    return {"setBy": layer_word(layer), "from": str(layer), "layer": details}


def _plain(value: Any) -> Any:
    if isinstance(value, ProfileRef):
        return value.to_wire()
    return str(value) if isinstance(value, Enum) else value


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value.isprintable() else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def show_changes_of(changes: Sequence[ObjectChange], output: Format) -> None:
    """What would change, object by object; those that stay as they are are a number."""
    if output is not Format.TABLE:
        show_documents([_change_document(each) for each in changes], output)
        return
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for each in changes:
        if each.change is Change.UNCHANGED:
            continue
        note = f" ({each.note})" if each.note else ""
        means = f", {each.means}" if each.means is not None else ""
        console.print(Text(f"{each.ref} {each.change}{means}{note}", _STYLES[each.change]))
        for field in each.fields:
            _show_change(console, field)
    counts = Counter(each.change for each in changes)
    said = ", ".join(f"{counts[change]} {change}" for change in Change if counts[change])
    typer.echo(said or "no objects")


def _show_change(console: Console, change: FieldChange) -> None:
    by = f"   {layer_word(change.layer)}: {change.layer}" if change.layer is not None else ""
    console.print(Text(f"  {change.pointer}{by}"))
    if change.old is not ABSENT:
        console.print(Text(f"    - {_short(change.old)}", "red"))
    if change.new is not ABSENT:
        console.print(Text(f"    + {_short(change.new)}", "green"))


def _change_document(change: ObjectChange) -> dict[str, Any]:
    fields = [
        {"field": each.pointer}
        | ({} if each.old is ABSENT else {"old": each.old})
        | ({} if each.new is ABSENT else {"new": each.new})
        | _layer(each.layer)
        for each in change.fields
    ]
    said = {"object": str(change.ref), "change": str(change.change)}
    said |= {"means": str(change.means)} if change.means is not None else {}
    return said | ({"note": change.note} if change.note else {}) | ({"fields": fields} if fields else {})
