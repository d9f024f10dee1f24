"""Generated values: as long as the rule says, of its characters, with its prefix, and never the same."""

from __future__ import annotations

import re

import pytest

from ocdp_operator.composition import generate_password
from ocdp_operator.model.secrets import Alphabet, GenerateRule


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        pytest.param(GenerateRule(), "[A-Za-z0-9]{24}", id="a password"),
        pytest.param(GenerateRule(64, Alphabet.HEX), "[0-9a-f]{64}", id="a key in hexadecimal digits"),
        pytest.param(
            GenerateRule(32, prefix="sk-"),
            "sk-[A-Za-z0-9]{32}",
            id="with a prefix, which has no part in its length",
        ),
    ],
)
def test_a_value_is_as_its_rule_says(rule: GenerateRule, pattern: str):
    made = {generate_password(rule) for _ in range(50)}

    assert len(made) == 50
    assert all(re.fullmatch(pattern, value) for value in made)
