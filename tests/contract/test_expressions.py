"""The ``Expressions`` port, held against CEL in its threads and CEL where it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocdp_operator.adapters.expressions import CelExpressions
from ocdp_operator.reconcile.ports import Expressions
from tests.support.fakes_expressions import InlineExpressions

MODELS = [{"name": "chat", "rpm": 5}, {"name": "small", "url": None}]
ROOTS: dict[str, Any] = {
    "values": {
        "text": "CANARY",
        "count": 3,
        "share": 0.5,
        "nothing": None,
        "models": MODELS,
        "many": ["x"] * 200,
    },
    "profile": {"ingress": {"domain": "apps.example.test"}, "hub": None},
    "workspace": {"id": "team-a", "customer": "acme"},
    "claim": {"name": "ide", "namespace": "ns-a"},
}


@pytest.fixture
async def threads() -> AsyncIterator[Expressions]:
    async with CelExpressions() as opened:
        yield opened


@pytest.fixture
def inline() -> Expressions:
    return InlineExpressions()


@pytest.fixture(params=["threads", "inline"])
def expressions(request: pytest.FixtureRequest) -> Expressions:
    found: Expressions = request.getfixturevalue(request.param)
    return found


VALUES: dict[str, tuple[str, Any]] = {
    "a value": ("values.text", "CANARY"),
    "null": ("values.nothing", None),
    "text put together": ('slug(claim.name + "-" + workspace.id) + "." + profile.ingress.domain', "ide-team-a.apps.example.test"),
    "a number": ("values.count * 2", 6),
    "a quantity": ("quantity(values.count * 512) + quantity('1536Mi')", "15361536Mi"),
    "a share of a quantity": ("quantity('2Gi', 0.375)", "768Mi"),
    "a variable's name": ("envName('GPT_4')", "GPT_4"),
    "a macro": ("values.models.map(m, m.name)", ["chat", "small"]),
    "fields in order": ("{'z': 1, 'a': {'y': 1, 'b': [{'x': 1, 'c': 1}]}}", {"a": {"b": [{"c": 1, "x": 1}], "y": 1}, "z": 1}),
    "null stays": ("values.models.map(m, {'rpm': has(m.rpm) ? m.rpm : null})", [{"rpm": 5}, {"rpm": None}]),
    "has, where nothing on the way is there": ("has(values.a.b.c)", False),
    "has, where null is on the way": ("has(profile.hub.url)", False),
    "has, where all is there": ("has(profile.ingress.domain)", True),
    "an item": ("values.models[1].name", "small"),
    "quotes and braces": ("'{{ $(X) }} \"q\" \\u00e9'", '{{ $(X) }} "q" é'),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "value"), VALUES.values(), ids=VALUES.keys())
async def test_an_expression_gives_plain_json(expressions: Expressions, expression: str, value: Any):
    assert expressions.check(expression) is None
    (found,) = await expressions.evaluate([expression], ROOTS)
    assert (found.failure, found.value) == ("", value)
    if isinstance(value, dict):
        assert list(found.value) == list(value)


FAILURES: dict[str, tuple[str, str]] = {
    "a missing value": ("values.absent + values.text", "values.absent is absent"),
    "a missing field of an item": ("values.models.map(m, m.rpm)", "values.models[].rpm is absent"),
    "a missing profile field": ("profile.storageClass", "profile.storageClass is absent"),
    "a missing key that the values name": ("{'a': 1}[values.text] == 1", "a field that it reads is absent"),
    "an item beyond the end": ("values.models[7].name", "beyond the end"),
    "unlike types": ("values.text + 1", "not of the same type"),
    "an integer and a double": ("values.count + 0.5", "not of the same type"),
    "a division by zero": ("1 / 0", "divides by zero"),
    "too large a number": ("9223372036854775807 + values.count", "too large"),
    "no quantity": ("quantity(values.text)", "quantity takes a number"),
    "a number as a label": ("slug(values.count)", "slug takes a text"),
    "an infinity": ("1.0 / 0.0", "no finite number"),
    "keys that are no text": ("{1: 2}", "keys are no text"),
    "bytes": ("b'abc'", "no JSON"),
    "too much": (f"values.many.map(m, '{'x' * 420}' + '{'y' * 20}' + '{'z' * 20}')", ""),
    "a text that is no number": ("int(values.text)", "CEL cannot evaluate it"),
    "a nested macro": ("values.models.map(m, values.models.map(n, n.name))", "inside of another macro"),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "failure"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_failure_says_why_and_quotes_no_value(
    expressions: Expressions,
    expression: str,
    failure: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    found, other = await expressions.evaluate([expression, "claim.name"], ROOTS)
    if failure:
        assert failure in found.failure
        assert found.value is None
    assert "CANARY" not in found.failure
    assert "CANARY" not in caplog.text + "".join(capfd.readouterr())
    assert (other.failure, other.value) == ("", "ide")


async def test_a_result_has_an_end(expressions: Expressions):
    roots = {"values": {"many": ["x" * 100] * 200, "text": "y" * 2000}}
    (found,) = await expressions.evaluate(["values.many.map(m, m + values.text)"], roots)
    assert "more than" in found.failure


HEAVY = {
    "a long text for each item": "size(values.many.map(m, values.text))",
    "sums of it": "size(values.many.map(m, values.text + values.text))",
    "sums without a macro": "size(" + "+".join(["values.text"] * 30) + ")",
}


@pytest.mark.parametrize("expression", HEAVY.values(), ids=HEAVY.keys())
async def test_what_would_copy_too_much_is_not_begun(expressions: Expressions, expression: str):
    roots = {"values": {"many": ["x"] * 200, "text": "CANARY" * 8_000}}
    (found,) = await expressions.evaluate([expression], roots)
    assert "would copy more than" in found.failure
    assert "CANARY" not in found.failure


@pytest.mark.parametrize("number", [2**64, 10**400], ids=["more than 64 bits", "more than a double"])
async def test_a_number_that_cel_cannot_hold_fails_or_loses_digits_but_raises_nothing(
    expressions: Expressions, number: int
):
    (found,) = await expressions.evaluate(["values.n"], {"values": {"n": number}})
    assert found.failure or isinstance(found.value, float)


SYNTAX = {
    "an operator without its right side": "1 +",
    "an open bracket": "(1",
    "a word of CEL": "values.in",
    "nothing": "",
}


@pytest.mark.parametrize("expression", SYNTAX.values(), ids=SYNTAX.keys())
async def test_what_is_no_cel_is_told_by_line_and_column(expressions: Expressions, expression: str):
    fault = expressions.check(expression)
    assert fault is not None
    assert fault.startswith("line 1, column ")
    (found,) = await expressions.evaluate([expression], ROOTS)
    assert found.failure


DEEP = {
    "brackets": "(" * 255 + "1" + ")" * 255,
    "signs": "-" * 511 + "1",
    "lists": "[" * 255 + "]" * 255,
    "sums": "1+" * 255 + "1",
    "maps": "{'a':" * 80 + "1" + "}" * 80,
    "choices": "true?1:" * 70 + "1",
    "calls": "size(" * 85 + "1" + ")" * 85,
}


@pytest.mark.parametrize("expression", DEEP.values(), ids=DEEP.keys())
async def test_the_deepest_expression_ends_no_process(expressions: Expressions, expression: str):
    expressions.check(expression)
    assert len(await expressions.evaluate([expression], ROOTS)) == 1


async def test_no_expression_takes_no_hop(expressions: Expressions):
    assert await expressions.evaluate([], {}) == ()


async def test_many_claims_are_evaluated_at_once_and_none_reads_anothers_values(expressions: Expressions):
    claims = [{"claim": {"name": f"claim-{index}"}} for index in range(50)]
    found = await asyncio.gather(*(expressions.evaluate(["claim.name"], each) for each in claims))
    assert [value.value for (value,) in found] == [each["claim"]["name"] for each in claims]


async def test_what_is_not_open_says_so():
    with pytest.raises(RuntimeError, match="opened"):
        await CelExpressions().evaluate(["1"], {})
