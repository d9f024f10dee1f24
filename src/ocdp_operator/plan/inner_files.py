"""The structured files inside of a ConfigMap, as documents: a field of a file is a field like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ocdp_operator.errors import ReconcileError
from ocdp_operator.model.documents import load_documents
from ocdp_operator.model.kinds import CONFIG_MAP
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.tracing import Within

_YAML_OR_JSON: Final = (".yaml", ".yml", ".json")
_ENV: Final = (".env", ".properties")


def looked_into(manifest: Manifest) -> Mapping[str, Any]:
    """The body, with the structured files of a ConfigMap as documents."""
    body = manifest.body
    if manifest.ref.kind != CONFIG_MAP.kind or not isinstance(body.get("data"), Mapping):
        return body
    return {**body, "data": {key: document_in(key, text) for key, text in body["data"].items()}}


def document_in(key: str, text: Any) -> Any:
    """The document that the text under this key of a ConfigMap is; the text itself where it is none."""
    if not isinstance(text, str):
        return text
    suffix = f".{key.rpartition('.')[2].lower()}" if "." in key else ""
    if suffix in _ENV:
        return Within(variables(text))
    if suffix not in _YAML_OR_JSON:
        return text
    try:
        documents = load_documents(text.encode(), name=key)
    except ReconcileError:
        return text
    whole = len(documents) == 1 and isinstance(documents[0], dict | list)
    return Within(documents[0]) if whole else text


def variables(text: str) -> dict[str, str]:
    """The lines of an env file; comments and empty lines are nobody's."""
    pairs = (line.partition("=") for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#")
    return {name.strip(): value for name, _, value in pairs}
