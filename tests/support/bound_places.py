"""Where a claim's bound mappings must show in what was built, and whether anything else changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import yaml

from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.expansion import with_literal_dollars
from tests.support.every_target import same

Objects = Mapping[str, Any]


def strays(objects: Objects, plain: Objects, workload: ResolvedWorkload) -> list[str]:
    """Places that differ from what is built without any mapping of values, and that no mapping sets."""
    here, there = (_leaves(_unhashed(each, workload.claim_name)) for each in (objects, plain))
    differing = {
        place for place in here.keys() | there.keys() if here.get(place, _NONE) != there.get(place, _NONE)
    }
    allowed = tuple(_places(workload))
    images = any(each.mapping.image for each in workload.bound)
    return sorted(
        place
        for place in differing
        if not place.startswith(allowed) and not (images and place.endswith("/image"))
    )


def misplaced(objects: Objects, workload: ResolvedWorkload) -> list[str]:
    """Mappings whose value is not, as it is, where they put it; one that a later mapping writes over is left out."""
    wrong = []
    for number, each in enumerate(workload.bound):
        if any(_hides(later.mapping, each.mapping) for later in workload.bound[number + 1 :]):
            continue
        found, wanted = _found(objects, workload.claim_name, each.mapping, each.value)
        if not same(found, wanted):
            wrong.append(f"mappings[{each.index}], to {each.mapping.target}")
    return wrong


_NONE = object()


def _found(objects: Objects, claim: str, mapping: Any, value: Any) -> tuple[Any, Any]:
    if mapping.patch is not None:
        body = objects[f"{mapping.patch.kind}/{claim}-{mapping.patch.name}"]
        return _at(body, mapping.patch.pointer), with_literal_dollars(mapping.patch.pointer, value)
    if mapping.config_file is not None:
        target = mapping.config_file
        data = next(
            body["data"]
            for key, body in objects.items()
            if key.startswith(f"ConfigMap/{claim}-{target.config_map}-")
        )
        if target.file not in data:  # of an env file each variable is a key
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            return data[target.pointer[1:]], text
        return _at(yaml.safe_load(data[target.file]), target.pointer), value
    if mapping.replicas is not None:
        (body,) = (
            body
            for key, body in objects.items()
            if key.endswith(f"/{claim}-{mapping.replicas.name}") and "replicas" in body.get("spec", {})
        )
        return body["spec"]["replicas"], value
    return None, None


def _hides(later: Any, earlier: Any) -> bool:
    for name in ("patch", "config_file"):
        one, other = getattr(later, name), getattr(earlier, name)
        if one is not None and other is not None:
            alike = one.model_dump(exclude={"pointer", "op"}) == other.model_dump(exclude={"pointer", "op"})
            if alike and (one.pointer.startswith(other.pointer) or other.pointer.startswith(one.pointer)):
                return True
    return False


def _at(body: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        if isinstance(body, list):
            body = body[-1 if step == "-" else int(step)]
        else:
            body = body[step.replace("~1", "/").replace("~0", "~")]
    return body


def _places(workload: ResolvedWorkload) -> Iterator[str]:
    for each in workload.bound:
        mapping, claim = each.mapping, workload.claim_name
        if mapping.patch is not None:
            pointer = mapping.patch.pointer.removesuffix("-").rstrip("/")
            yield f"{mapping.patch.kind}/{claim}-{mapping.patch.name} {pointer}"
        elif mapping.config_file is not None:
            yield f"ConfigMap/{claim}-{mapping.config_file.config_map} /data/{mapping.config_file.file}"
            yield f"ConfigMap/{claim}-{mapping.config_file.config_map} /data{mapping.config_file.pointer}"
        elif mapping.replicas is not None:
            for kind in ("Deployment", "StatefulSet"):
                yield f"{kind}/{claim}-{mapping.replicas.name} /spec/replicas"


def _unhashed(objects: Objects, claim: str) -> dict[str, Any]:
    """The same with generated ConfigMaps named without their hash, everywhere."""
    text = orjson.dumps(dict(objects)).decode()
    for key in objects:
        if key.startswith(f"ConfigMap/{claim}-"):
            name = key.removeprefix("ConfigMap/")
            text = text.replace(name, name.rpartition("-")[0])
    found: dict[str, Any] = orjson.loads(text)
    return found


def _leaves(objects: Objects) -> dict[str, Any]:
    return dict(leaf for key, body in objects.items() for leaf in _walked(body, f"{key} "))


def _walked(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _walked(below, f"{place}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from _walked(below, f"{place}/{index}")
    else:
        yield place, value
