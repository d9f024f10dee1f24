"""Which of the fields that we send are no longer ours on a live object, and whose they are: from ``managedFields``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.model.names import FIELD_MANAGER
from ocdp_operator.plan.wording import shown

_HIDDEN: Final = frozenset(
    {
        *("env", "envFrom", "args", "command", "httpHeaders", "annotations"),
        *("data", "stringData", "binaryData"),
    }
)
"""Below these a value may be somebody's secret: only the field's name is told."""
_SENT_METADATA: Final = ("labels", "annotations", "ownerReferences")
_NOT_OWNED: Final = ("apiVersion", "kind", "metadata", "status")
_DEFAULTS: Final[Mapping[str, Any]] = {"protocol": "TCP"}
"""What the API server fills in of a key by which items of lists are told apart."""
_LONGEST_VALUE: Final = 60
_LONGEST_MANAGER: Final = 40
_ABSENT: Final = object()

Tree = Mapping[str, Any]
"""``fieldsV1`` of one manager."""


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One field that we sent and that is not ours any more."""

    path: str
    """``spec.template.spec.containers[web].image``."""
    live: str | None
    """The value that was found, fit for a message; None where none is told: no scalar, or perhaps a secret."""
    sent: str | None
    """Ours, by the same rule."""
    removed: bool = False
    """The live object does not have it."""
    managers: tuple[str, ...] = ()
    """Who owns it now; nobody owns what was removed."""
    stays: bool = False
    """It is left as it is, though it was ours."""

    @property
    def corrected(self) -> str:
        """In words, once it is put right."""
        if self.stays:
            return self.found
        again = f"; is {self.sent} again" if self.sent is not None else ""
        return f"{self.path} {self._past}{again}"

    @property
    def found(self) -> str:
        """In words, where it is left as it is."""
        if self.stays:
            return f"{self.path} is {self.live}{self._by}, and stays so"
        wanted = f", not {self.sent}" if self.sent is not None else ""
        if self.removed:
            return f"{self.path} is gone{wanted}"
        if self.live is None:
            return f"{self.path} {self._changed}"
        return f"{self.path} is {self.live}{wanted}{self._by}"

    @property
    def _past(self) -> str:
        if self.removed:
            return "was removed"
        if self.live is not None and self.live != self.sent:
            return f"was {self.live}{self._by}"
        return self._changed

    @property
    def _changed(self) -> str:
        return f"was changed{self._by.replace(', set by', ' by')}"

    @property
    def _by(self) -> str:
        return f", set by {' and '.join(self.managers)}" if self.managers else ""


def lost_fields(sent: Mapping[str, Any], raw: Mapping[str, Any]) -> tuple[FieldDrift, ...]:
    """The fields of ``sent``, a manifest, that our ``Apply`` entry on the live object does not hold any more.

    Ownership tells, not the value: the API server writes a quantity in another way than it was sent, and who changes a
    field takes it from us.
    """
    managed = raw["metadata"].get("managedFields") or ()
    walk = _Walk(_own(managed), tuple(_others(managed)))
    return tuple(walk.lost(_owned_parts(sent), _owned_parts(raw)))


def _own(managed: Sequence[Mapping[str, Any]]) -> Tree:
    for entry in managed:
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
            return entry.get("fieldsV1") or {}
    return {}


def _others(managed: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Tree]]:
    for entry in managed:
        if entry.get("manager") != FIELD_MANAGER or entry.get("operation") != "Apply":
            yield shown(entry.get("manager"), _LONGEST_MANAGER), entry.get("fieldsV1") or {}


def _owned_parts(body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {part: body["metadata"][part] for part in _SENT_METADATA if body["metadata"].get(part)}
    return {"metadata": metadata, **{name: part for name, part in body.items() if name not in _NOT_OWNED}}


@dataclass(frozen=True, slots=True)
class _Walk:
    """One place in a manifest, and what each manager owns there."""

    ours: Tree | None
    """None: nothing here is ours."""
    others: tuple[tuple[str, Tree], ...]
    path: str = ""
    hidden: bool = False

    def lost(self, sent: Any, live: Any) -> Iterator[FieldDrift]:
        """Every lost field from here on, as deep as managers tell fields apart."""
        if self.ours == {}:
            return  # a leaf, and ours
        if self.ours is None and any(tree == {} for _, tree in self.others):
            yield self.told(sent, live)  # taken as a whole
        elif isinstance(sent, Mapping) and sent:
            for name, below in sent.items():
                if below is not None:
                    inner = live.get(name, _ABSENT) if isinstance(live, Mapping) else _ABSENT
                    yield from self._at(name).lost(below, inner)
        elif isinstance(sent, list) and sent and self._tells_items_apart():
            yield from self._lost_items(sent, live)
        elif self.ours is None:
            yield self.told(sent, live)

    def _tells_items_apart(self) -> bool:
        trees = (self.ours or {}, *(tree for _, tree in self.others))
        return any(step.startswith("k:") for tree in trees for step in tree)

    def _lost_items(self, sent: Sequence[Any], live: Any) -> Iterator[FieldDrift]:
        live_items = live if isinstance(live, list) else []
        for position, item in enumerate(sent):
            if not isinstance(item, Mapping):
                continue
            found = next((each for each in live_items if _is_same(item, each)), _ABSENT)
            walk = self._in(item, position)
            if found is _ABSENT:
                yield walk.told(item, found)
            else:
                yield from walk.lost(item, found)

    def _at(self, name: str) -> _Walk:
        plain = name.replace("_", "").isalnum()
        path = f"{self.path}.{name}".lstrip(".") if plain else f"{self.path}[{shown(name)}]"
        step = f"f:{name}"
        return _Walk(
            self.ours.get(step) if self.ours else None,
            tuple((who, tree[step]) for who, tree in self.others if step in tree),
            path,
            self.hidden or name in _HIDDEN,
        )

    def _in(self, item: Mapping[str, Any], position: int) -> _Walk:
        name = next(
            (item[key] for key in ("name", "mountPath", "containerPort", "port") if key in item), position
        )
        others = ((who, _item_tree(tree, item)) for who, tree in self.others)
        return _Walk(
            _item_tree(self.ours or {}, item),
            tuple((who, tree) for who, tree in others if tree is not None),
            f"{self.path}[{shown(str(name))}]",
            self.hidden,
        )

    def told(self, sent: Any, live: Any) -> FieldDrift:
        """What is here, in words, if it may be told."""
        tell = not self.hidden
        return FieldDrift(
            self.path,
            live=_value(live) if tell else None,
            sent=_value(sent) if tell else None,
            removed=live is _ABSENT,
            managers=tuple(dict.fromkeys(who for who, _ in self.others)),
        )


def _item_tree(tree: Tree, item: Mapping[str, Any]) -> Tree | None:
    for step, below in tree.items():
        if step.startswith("k:") and _has_key(item, step):
            return below  # type: ignore[no-any-return]
    return None


def _has_key(item: Mapping[str, Any], step: str) -> bool:
    key = json.loads(step.removeprefix("k:"))
    return all(item.get(name, _DEFAULTS.get(name)) == value for name, value in key.items())


def _is_same(item: Mapping[str, Any], other: Any) -> bool:
    """Whether two items of a list are the same one, by what lists of Kubernetes tell their items apart by."""
    if not isinstance(other, Mapping):
        return False
    for keys in (
        ("name",),
        ("mountPath",),
        ("devicePath",),
        ("containerPort", "protocol"),
        ("port", "protocol"),
    ):
        if keys[0] in item:
            return all(item.get(k, _DEFAULTS.get(k)) == other.get(k, _DEFAULTS.get(k)) for k in keys)
    return False


def _value(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and value:
        return shown(value, _LONGEST_VALUE)
    return None
