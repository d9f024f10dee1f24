from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.plan.expansion import with_literal_dollars

CONTAINER = "/spec/template/spec/containers/0"
EXPANDED: dict[str, tuple[str, Any, Any]] = {
    "an argument": (f"{CONTAINER}/args/-", "$(X)", "$$(X)"),
    "all arguments": (f"{CONTAINER}/args", ["a", "$(X)"], ["a", "$$(X)"]),
    "a command": (f"{CONTAINER}/command/0", "$(X)", "$$(X)"),
    "a variable's value": (f"{CONTAINER}/env/0/value", "$(X)", "$$(X)"),
    "a variable": (f"{CONTAINER}/env/-", {"name": "$a", "value": "$(X)"}, {"name": "$a", "value": "$$(X)"}),
    "an init container": (
        "/spec/template/spec/initContainers/-",
        {"args": ["$(X)"], "image": "$a"},
        {"args": ["$$(X)"], "image": "$a"},
    ),
    "a pod": (
        "/spec/template/spec",
        {"containers": [{"args": ["$(X)"]}]},
        {"containers": [{"args": ["$$(X)"]}]},
    ),
    "a probe's command": (f"{CONTAINER}/livenessProbe/exec/command/0", "$(X)", "$$(X)"),
    "a path of a volume": (f"{CONTAINER}/volumeMounts/0/subPathExpr", "$(X)", "$$(X)"),
    "two dollars": (f"{CONTAINER}/args/0", "$$(X)", "$$$$(X)"),
    "a dollar at the end": (f"{CONTAINER}/args/0", "5$", "5$$"),
}
LITERAL: dict[str, tuple[str, Any]] = {
    "an annotation": ("/metadata/annotations/args", "$(X)"),
    "an image": (f"{CONTAINER}/image", "$(X)"),
    "a hook, which the kubelet takes as it is": (f"{CONTAINER}/lifecycle/preStop/exec/command/0", "$(X)"),
    "a number": (f"{CONTAINER}/args/0", 5),
    "null": (f"{CONTAINER}/args/0", None),
}


@pytest.mark.parametrize(("pointer", "value", "expected"), EXPANDED.values(), ids=EXPANDED.keys())
def test_what_the_kubelet_expands_is_doubled(pointer: str, value: Any, expected: Any):
    assert with_literal_dollars(pointer, value) == expected


@pytest.mark.parametrize(("pointer", "value"), LITERAL.values(), ids=LITERAL.keys())
def test_what_it_does_not_expand_stays_as_it_is(pointer: str, value: Any):
    assert with_literal_dollars(pointer, value) == value
