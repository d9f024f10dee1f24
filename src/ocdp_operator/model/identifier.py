"""Names in the catalog, as pydantic checks them where they enter."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import StringConstraints, TypeAdapter, ValidationError

_DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

Identifier = Annotated[str, StringConstraints(pattern=_DNS_LABEL, max_length=63)]
"""A DNS label: it is also a Kubernetes namespace, or the value of a label."""
Subject = Annotated[str, StringConstraints(pattern=r"^[^\s\x00]+$", max_length=253)]
"""A user or group, as the API server knows them."""

_SUBJECT: Final[TypeAdapter[str]] = TypeAdapter(Subject)


def is_subject(name: str) -> bool:
    """Whether a binding can name it; what a claim says of who asks may be anything."""
    try:
        _SUBJECT.validate_python(name)
    except ValidationError:
        return False
    return True
