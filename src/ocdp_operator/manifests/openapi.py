"""The API server's OpenAPI documents -> one JSON Schema for the kinds that a rendering may hold.

Only those kinds and what they refer to are kept, without descriptions. Strict: an object whose fields are declared
takes no others. The same documents give the same schema, so that the committed file shows what a new version changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ocdp_operator.model.kinds import RUNTIME_KINDS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_KIND: Final = "x-kubernetes-group-version-kind"
_KEPT: Final = ("type", "format", "required", "enum")
_REF: Final = "#/components/schemas/"
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_ONE_OR_OTHER: Final[Mapping[str, Mapping[str, Any]]] = {
    _QUANTITY: {"type": ["string", "number"], "format": "quantity"},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "type": ["integer", "string"],
        "format": "int-or-string",
    },
}
"""What the documents say by ``oneOf``, said so that a message can name the types."""


def document_paths() -> tuple[str, ...]:
    """Where the API server serves the documents of the kinds, sorted."""
    versions = sorted({kind.api_version for kind in RUNTIME_KINDS})
    return tuple(f"/openapi/v3/{'apis' if '/' in version else 'api'}/{version}" for version in versions)


def condensed(documents: Iterable[Mapping[str, Any]], version: str) -> dict[str, Any]:
    """The schema of Kubernetes ``version``: ``x-kinds`` says which definition an object of a kind must fit.

    Raises KeyError when a kind is in none of the documents.
    """
    served: dict[str, Any] = {}
    for document in documents:
        served |= document["components"]["schemas"]
    kinds = dict(sorted(_kinds(served)))
    definitions: dict[str, Any] = {}
    waiting = list(kinds.values())
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = _definition(name, served[name])
            waiting += _references(definitions[name])
    short = {name: f"#/$defs/{name}" for name in sorted(definitions)}
    return {
        "$schema": DIALECT,
        "title": f"Kubernetes v{version}",
        "x-kinds": {kind: short[name] for kind, name in kinds.items()},
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _kinds(served: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = {
        (said["group"], said["version"], said["kind"]): name
        for name, schema in served.items()
        for said in schema.get(_KIND, ())
        if len(schema[_KIND]) == 1
    }
    for kind in RUNTIME_KINDS:
        yield f"{kind.api_version}/{kind.kind}", known[kind.group, kind.version, kind.kind]


def _definition(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_ONE_OR_OTHER[name]) if name in _ONE_OR_OTHER else _strict(schema)


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, with the keywords that say something about a manifest, and nothing left open by silence."""
    if "$ref" in schema:
        return {"$ref": "#/$defs/" + str(schema["$ref"]).removeprefix(_REF)}
    if len(schema.get("allOf", ())) == 1:  # a reference with a default beside it
        return _strict(schema["allOf"][0])
    kept = {word: schema[word] for word in _KEPT if word in schema}
    properties = schema.get("properties")
    if properties is not None:
        kept["properties"] = {field: _strict(properties[field]) for field in sorted(properties)}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            kept["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), Mapping):
        kept["additionalProperties"] = _strict(schema["additionalProperties"])
    if "items" in schema:
        kept["items"] = _strict(schema["items"])
    # Server-side apply merges such lists by these keys, and refuses two items with the same ones.
    if schema.get("x-kubernetes-list-type") == "map":
        kept["x-keys"] = list(schema["x-kubernetes-list-map-keys"])
    elif schema.get("x-kubernetes-list-type") == "set":
        kept["uniqueItems"] = True
    return kept


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for word, below in schema.items():
            if word == "$ref":
                yield str(below).removeprefix("#/$defs/")
            else:
                yield from _references(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _references(below)


def written(schema: Mapping[str, Any]) -> bytes:
    """The file's bytes: a line for each definition, so that a difference names it."""
    head = {word: said for word, said in schema.items() if word != "$defs"}
    lines = [f"{_line(name)}: {_line(said)}" for name, said in schema["$defs"].items()]
    return b"".join(
        (_line(head)[:-1].encode(), b',"$defs":{\n', ",\n".join(lines).encode(), b"\n}}\n"),
    )


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
