"""Kubernetes quantities as amounts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ocdp_operator.model.quantity import Quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", "1"),
        ("+1", "1"),
        ("-1k", "-1000"),
        (".5", "0.5"),
        ("5.", "5"),
        ("500m", "0.5"),
        ("3u", "0.000003"),
        ("3n", "0.000000003"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1E", "1000000000000000000"),
        ("1E3", "1000"),
        ("1e-3", "0.001"),
        ("1Ei", "1152921504606846976"),
    ],
)
def test_a_quantity_is_an_exact_amount(text: str, amount: str):
    assert Quantity.parse(text) == Quantity(Decimal(amount))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "Gi",
        ".",
        "1e",
        "1 Gi",
        " 1",
        "1Gi\n",
        "1K",
        "1gi",
        "1KI",
        "1e3Gi",
        "1e99",
        "0x1",
        "\u0663",
        "1" * 41,
    ],
    ids=ascii,
)
def test_what_kubernetes_would_not_take_is_no_quantity(text: str):
    with pytest.raises(ValueError, match="no quantity"):
        Quantity.parse(text)


def test_the_same_amount_is_equal_however_it_is_written():
    assert Quantity.parse("1Gi") == Quantity.parse("1024Mi")
    assert Quantity.parse("1000m") < Quantity.parse("1001m")
