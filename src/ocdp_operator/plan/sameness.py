"""Whether an apply would change a field of a live object, with the API server's defaulting in mind.

What is not sent is not ours: it differs only where our last apply still owns it, for then the next one takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from ocdp_operator.model.names import FIELD_MANAGER
from ocdp_operator.model.quantity import Quantity
from ocdp_operator.plan.fields import part_at

_AMOUNTS: Final = frozenset({"requests", "limits", "capacity", "hard", "sizeLimit"})
"""Fields that hold quantities, themselves or by name: ``1Gi`` and ``1024Mi`` are one value."""

Owned = Mapping[str, Any]
"""A part of ``fieldsV1``: what our last apply said."""


def owned_fields(live: Mapping[str, Any]) -> Owned:
    """What our last apply of this object said; empty when the object says nothing of it."""
    for entry in part_at(live, "metadata").get("managedFields") or ():
        ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        if ours and not entry.get("subresource"):
            return part_at(entry, "fieldsV1")
    return {}


def below(owned: Owned, *steps: str) -> Owned:
    """The part of ``owned`` below these fields."""
    return part_at(owned, *(f"f:{step}" for step in steps))


def would_change(sent: Any, live: Any, owned: Owned, *, amounts: bool = False) -> bool:
    """Whether sending this leaves another value than the one that lives.

    Args:
        sent: the value of a manifest; None where it is not said.
        live: the value there; None where there is none.
        owned: what our last apply said at this place.
        amounts: the values are quantities.
    """
    if isinstance(sent, Mapping):
        return _map_would_change(sent, live, owned, amounts=amounts)
    if isinstance(sent, list):
        return _list_would_change(sent, live, owned)
    if not sent and live is None:
        return False  # the API server stores no empty value where it has nothing to tell from its absence
    return not (is_same_amount(sent, live) if amounts else _is_equal(sent, live))


def is_same_amount(one: Any, other: Any) -> bool:
    """Whether two quantities are equal; what is none is equal when it is the same."""
    if one == other:
        return True
    try:
        return Quantity.parse(str(one)) == Quantity.parse(str(other))
    except ValueError:
        return False


def _is_equal(one: Any, other: Any) -> bool:
    """JSON has one kind of number, and a truth is none."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _map_would_change(sent: Mapping[str, Any], live: Any, owned: Owned, *, amounts: bool) -> bool:
    if live is not None and not isinstance(live, Mapping):
        return True
    there = live or {}
    for name, value in sent.items():
        of_amounts = amounts or name in _AMOUNTS
        if would_change(value, there.get(name), part_at(owned, f"f:{name}"), amounts=of_amounts):
            return True
    dropped = (each.removeprefix("f:") for each in owned if each.startswith("f:"))
    return any(name not in sent and name in there for name in dropped)


def _list_would_change(sent: Sequence[Any], live: Any, owned: Owned) -> bool:
    if not sent and live is None:
        return False
    if not isinstance(live, list):
        return True
    if not owned or not any(each.startswith(("k:", "v:")) for each in owned):
        return len(sent) != len(live) or any(
            would_change(one, other, {}) for one, other in zip(sent, live, strict=True)
        )
    return _set_would_change(sent, live, owned)


def _set_would_change(sent: Sequence[Any], live: Sequence[Any], owned: Owned) -> bool:
    """Of a list whose items are told apart by a key: those of others stay, ours that are not sent go."""
    left = list(sent)
    for at, part in _owned_items(owned):
        there = next((item for item in live if _is_at(item, at)), None)
        wanted = next((item for item in left if _is_at(item, at)), None)
        if wanted is None:
            if there is not None:
                return True
            continue
        left.remove(wanted)
        if would_change(wanted, there, part):
            return True
    return any(not any(_holds(item, each) for item in live) for each in left)


def _owned_items(owned: Owned) -> Iterator[tuple[Any, Owned]]:
    for key, part in owned.items():
        if key.startswith(("k:", "v:")):
            yield orjson.loads(key[2:]), part if isinstance(part, Mapping) else {}


def _is_at(item: Any, at: Any) -> bool:
    """Whether the item has this key. A part of the key that the item does not say has a default: any fits."""
    if isinstance(at, Mapping):
        if not isinstance(item, Mapping):
            return False
        return any(name in item for name in at) and all(item.get(name, at[name]) == at[name] for name in at)
    return bool(item == at)


def _holds(live: Any, sent: Any) -> bool:
    return not would_change(sent, live, {})
