"""Server-side apply in miniature: objects as plain JSON with ``managedFields``, by the rules that the operator relies on.

Kept: creation, force, fields that leave with the manifest, co-owned fields, keyed lists, ``before-first-apply``. Left out:
defaulting, validation, versions of a schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import count
from typing import Any

from ocdp_operator.model.names import FIELD_MANAGER

Raw = dict[str, Any]
Path = tuple[str, ...]

_KEYED = ("containers", "initContainers", "volumes", "env", "volumeMounts")
_ITEM_KEY = {"volumeMounts": "mountPath"}
_SERVER_OWNED = ("apiVersion", "kind")
_OURS = (FIELD_MANAGER, "Apply", "")
_TICKS = count(1)
"""The server's clock, one tick for each apply that changes something."""
_METADATA = ("labels", "annotations", "ownerReferences", "finalizers")


def applied(live: Raw | None, manifest: Raw) -> Raw:
    """The object after our forced apply of ``manifest`` to ``live``."""
    result = deepcopy(live) if live else {"metadata": {}}
    entries = _entries(result)
    if live is not None and not entries:
        entries["before-first-apply", "Update", ""] = set(dict(_flat(_owned_parts(live))))
    desired = deepcopy(_owned_parts(manifest))
    before = dict(_flat(_owned_parts(result)))
    ours, wanted = entries.pop(_OURS, set()), dict(_flat(desired))
    changed = {path for path, value in wanted.items() if before.get(path, _ABSENT) != value}
    for fields in entries.values():
        fields.difference_update(changed)
    _merge(result, desired)
    others = set().union(*entries.values()) if entries else set()
    for path in sorted(ours - wanted.keys() - others, key=len, reverse=True):
        _drop(result, path)
    result |= {name: manifest[name] for name in _SERVER_OWNED}
    result["metadata"]["name"] = manifest["metadata"]["name"]
    times = _times(result)
    entries[_OURS] = set(wanted)
    if changed or ours != entries[_OURS]:
        times[_OURS] = str(next(_TICKS))
    _write_entries(result, entries, times)
    return result


def updated(live: Raw, changed_to: Raw, manager: str, subresource: str = "") -> Raw:
    """The object after somebody else's plain update."""
    result = deepcopy(changed_to)
    if subresource not in ("", "scale"):
        result["metadata"]["managedFields"] = live["metadata"].get("managedFields", [])
        return result
    before, after = dict(_flat(_owned_parts(live))), dict(_flat(_owned_parts(result)))
    changed = {
        path for path in before.keys() | after.keys() if before.get(path, _ABSENT) != after.get(path, _ABSENT)
    }
    entries = _entries(live)
    for fields in entries.values():
        fields.difference_update(changed)
    entries.setdefault((manager, "Update", subresource), set()).update(changed & after.keys())
    _write_entries(result, entries, _times(live))
    return result


def merged(base: Raw, change: Raw) -> Raw:
    """A strategic merge: maps by key, the lists of a pod by name, null removes."""
    result = deepcopy(base)
    _merge(result, change)
    return result


_ABSENT = object()


def _owned_parts(raw: Raw) -> Raw:
    metadata = {part: raw["metadata"][part] for part in _METADATA if raw["metadata"].get(part)}
    parts = {name: value for name, value in raw.items() if name not in (*_SERVER_OWNED, "metadata", "status")}
    return {**parts, **({"metadata": metadata} if metadata else {})}


def _key(part: str, item: Raw) -> str:
    name = _ITEM_KEY.get(part, "name")
    return f'k:{{"{name}":"{item[name]}"}}'


def _flat(value: Any, prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            if name in _KEYED and isinstance(part, list):
                for item in part:
                    inner = (*prefix, f"f:{name}", _key(name, item))
                    yield (*inner, "."), None
                    yield from _flat(item, inner)
            elif isinstance(part, dict) and part:
                yield from _flat(part, (*prefix, f"f:{name}"))
            else:
                yield (*prefix, f"f:{name}"), part


def _merge(target: Any, change: Raw, *, part: str = "") -> None:
    for name, value in change.items():
        if value is None:
            target.pop(name, None)
        elif name in _KEYED and isinstance(value, list):
            items = target.setdefault(name, [])
            for item in value:
                known = next((each for each in items if _key(name, each) == _key(name, item)), None)
                if known is None:
                    items.append(deepcopy(item))
                else:
                    _merge(known, item)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        else:
            target[name] = deepcopy(value)


def _drop(raw: Raw, path: Path) -> None:
    node: Any = raw
    steps = list(path)
    while len(steps) > 1:
        step = steps.pop(0)
        name = step.removeprefix("f:")
        if steps[0].startswith("k:"):
            key = steps.pop(0)
            items = node.get(name) or []
            item = next((each for each in items if _key(name, each) == key), None)
            if item is None:
                return
            if steps == ["."]:
                items.remove(item)
                return
            node = item
        else:
            node = node.get(name)
            if node is None:
                return
    if isinstance(node, dict):
        node.pop(steps[0].removeprefix("f:"), None)


_Entries = dict[tuple[str, str, str], set[Path]]


def _entries(raw: Raw) -> _Entries:
    found = raw["metadata"].get("managedFields") or ()
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): set(_paths(entry["fieldsV1"]))
        for entry in found
    }


def _paths(tree: Raw, prefix: Path = ()) -> Iterator[Path]:
    for step, below in tree.items():
        if below:
            yield from _paths(below, (*prefix, step))
        else:
            yield (*prefix, step)


def _times(raw: Raw) -> dict[tuple[str, str, str], str]:
    found = raw["metadata"].get("managedFields") or ()
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry.get("time", "")
        for entry in found
    }


def _write_entries(raw: Raw, entries: _Entries, times: dict[tuple[str, str, str], str]) -> None:
    raw["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": raw["apiVersion"],
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(fields),
            "time": times.get((manager, operation, subresource), ""),
            **({"subresource": subresource} if subresource else {}),
        }
        for (manager, operation, subresource), fields in entries.items()
        if fields
    ]


def _tree(paths: set[Path]) -> Raw:
    tree: Raw = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def json_merged(value: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = deepcopy(value) if isinstance(value, dict) else {}
    for name, part in patch.items():
        if part is None:
            result.pop(name, None)
        else:
            result[name] = json_merged(result.get(name), part)
    return result


def remove_at(raw: Any, pointer: str) -> None:
    """RFC 6902's ``remove``."""
    *way, last = pointer.split("/")[1:]
    node = raw
    for name in way:
        node = node[int(name) if isinstance(node, list) else name]
    del node[int(last) if isinstance(node, list) else last]
