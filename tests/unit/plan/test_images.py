"""Images through another registry."""

from __future__ import annotations

import pytest

from ocdp_operator.plan.images import with_registry

PREFIX = "registry.example.test/mirror"
DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", "library/nginx"),
        ("nginx:1.2", "library/nginx:1.2"),
        (f"nginx@{DIGEST}", f"library/nginx@{DIGEST}"),
        ("codercom/code-server:4.1", "codercom/code-server:4.1"),
        ("docker.io/nginx:1", "library/nginx:1"),
        ("docker.io/library/nginx:1", "library/nginx:1"),
        ("ghcr.io/berriai/litellm:v1", "berriai/litellm:v1"),
        (f"ghcr.io/berriai/litellm:v1@{DIGEST}", f"berriai/litellm:v1@{DIGEST}"),
        ("registry:5000/team/app:1", "team/app:1"),
        ("localhost/app:1", "app:1"),
        ("quay.io/app", "app"),
        ("a/b/c/d", "a/b/c/d"),
    ],
)
def test_the_prefix_takes_the_place_of_the_registry(image: str, expected: str):
    moved = with_registry(image, PREFIX)
    assert moved == f"{PREFIX}/{expected}"
    assert with_registry(moved, PREFIX) == moved


def test_no_image_is_no_image():
    assert with_registry("", PREFIX) == ""
