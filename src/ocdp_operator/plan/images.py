"""Names of images, and the registry that they come from."""

from __future__ import annotations

from typing import Final

_DEFAULT: Final = "docker.io"
_OFFICIAL: Final = "library"


def with_registry(image: str, prefix: str) -> str:
    """The image pulled through ``prefix``, which takes the place of its registry; path, tag and digest stay.

    A first part with a dot or a colon, or ``localhost``, is the registry; any other name is Docker Hub's, and one of a single part
    is there below ``library``. An image that has the prefix already is left as it is.
    """
    if not image or image.startswith(f"{prefix}/"):
        return image
    first, _, rest = image.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, rest
    else:
        registry, path = _DEFAULT, image
    if registry == _DEFAULT and "/" not in path:
        path = f"{_OFFICIAL}/{path}"
    return f"{prefix}/{path}"
