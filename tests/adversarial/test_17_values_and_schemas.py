"""Row 17: values that are too large, too deep or too many, and schemas that would take for ever: refused, and deletable."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.model.names import MAX_VALUES_BYTES
from ocdp_operator.model.wire import canonical_json
from tests.integration.git.conftest import hang, listening
from tests.support.apps import template
from tests.support.hostile import Case, Crowd, codes, messages, peak_memory
from tests.support.world import Team, eventually
from tests.unit.plan.test_hostile_schemas import REFUSED, UNUSABLE, nested

MIB = 1024 * 1024
FREE = {"schema": {"type": "object"}, "mappings": [], "components": []}
CANARY = "hunter2-canary"


def of_size(size: int) -> dict[str, Any]:
    """Values of exactly so many bytes of canonical JSON."""
    empty = len(canonical_json({"text": ""}))
    values = {"text": "x" * (size - empty)}
    assert len(canonical_json(values)) == size
    return values


def deep(levels: int) -> str:
    """Mappings in mappings, as JSON."""
    return '{"a": ' * levels + "1" + "}" * levels


def body(**schema: Any) -> dict[str, Any]:
    """A template of one schema that maps nothing."""
    return {"schema": {"type": "object", **schema}, "mappings": [], "components": []}


SIZES: dict[str, tuple[Case, str]] = {
    "64 KiB and a byte less": (Case(values=of_size(MAX_VALUES_BYTES - 1), body=FREE), "Ready"),
    "64 KiB": (Case(values=of_size(MAX_VALUES_BYTES), body=FREE), "Ready"),
    "64 KiB and a byte": (Case(values=of_size(MAX_VALUES_BYTES + 1), body=FREE), "ValuesTooLarge"),
    "1 MiB": (Case(values=of_size(MIB), body=FREE), "ValuesTooLarge"),
    "ten thousand keys": (
        Case(values={f"k{n}": n for n in range(10_000)}, body=body(additionalProperties={"type": "integer"})),
        "ValuesTooLarge",
    ),
    "five thousand keys": (
        Case(values={f"k{n}": n for n in range(5_000)}, body=body(additionalProperties={"type": "integer"})),
        "Ready",
    ),
    "two thousand unknown keys": (
        Case(values={f"u{n}": CANARY for n in range(2_000)}, body=body(additionalProperties=False)),
        "InvalidValues",
    ),
    "50 levels": (Case(values=nested(49), body=FREE), "Ready"),
    "51 levels": (Case(values=nested(51), body=FREE), "ValuesTooLarge"),
    "300 levels": (Case(values=deep(300), body=FREE), "ValuesTooLarge"),
    "1,000 levels": (Case(values=deep(1000), body=FREE), "ValuesTooLarge"),
    "9,000 levels": (Case(values=deep(9000), body=FREE), "ValuesTooLarge"),
    "1,000 lists": (Case(values=f'{{"a": {"[" * 1000}{"]" * 1000}}}', body=FREE), "ValuesTooLarge"),
}


async def test_17_values_of_any_size_end_in_a_reason_and_the_claim_can_be_deleted(
    new_team, operator: OperatorProcess
):
    team: Team = await new_team("sizes")
    crowd = await Crowd.of(team, {name: case for name, (case, _) in SIZES.items()})
    found = await crowd.settled()
    assert codes(found) == {name: code for name, (_, code) in SIZES.items()}
    await _assert_at_rest(crowd)
    assert CANARY not in json.dumps([each["status"] for each in found.values()])
    assert CANARY not in operator.log.read_text()
    assert peak_memory(operator.pid) < 600 * MIB
    await _assert_deletable(crowd)


def remote(origin: str) -> dict[str, dict[str, Any]]:
    """Schemas that point elsewhere, in every keyword that can."""
    url = f"{origin}/schema.json"
    return {
        "a remote $ref": body(properties={"a": {"$ref": url}}),
        "a remote $ref at the root": body(**{"$ref": url}),
        "a remote $dynamicRef": body(properties={"a": {"$dynamicRef": f"{url}#x"}}),
        "a relative $ref under a remote $id": body(
            **{"$id": url, "properties": {"a": {"$ref": "other.json"}}}
        ),
        "a remote $schema": body(**{"$schema": url, "properties": {"a": {"type": "string"}}}),
        "a file": body(properties={"a": {"$ref": "file:///etc/passwd"}}),
        "a $ref behind a default": body(properties={"a": {"default": {}, "allOf": [{"$ref": url}]}}),
    }


RECURSIVE = {
    "a $ref to itself": body(**{"$ref": "#"}),
    "a circle of two": body(
        **{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    ),
    "a $dynamicRef to itself": body(**{"$dynamicAnchor": "m", "$dynamicRef": "#m"}),
    "defaults without end": body(
        **{"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"a": {"$ref": "#/$defs/n", "default": {}}}}}}
    ),
}
BACKTRACKING = ["^(a+)+$", "^(a|aa)+$", "^(.*a){20}$", "^([a-z]+)*$", "(x+x+)+y", "^(a?){200}a{200}$"]


async def test_17_no_schema_holds_the_operator_or_makes_it_fetch(new_team, operator: OperatorProcess):
    team: Team = await new_team("schemas")
    given = {"a": {"b": "x", "c": {"x": 1}}}
    async with listening(hang) as canary:
        schemas = remote(canary.origin) | RECURSIVE
        cases = {name: Case(values=given, body=each) for name, each in schemas.items()}
        for pattern in BACKTRACKING:
            rules = body(
                properties={"a": {"pattern": pattern}}, patternProperties={pattern: {"type": "string"}}
            )
            cases[f"the pattern {pattern}"] = Case(values={"a": "a" * 30_000 + "!"}, body=rules)
        for name, (rules, values) in REFUSED.items():
            cases[name] = Case(values=values, body=body(**rules))
        for name, rule in UNUSABLE.items():
            cases[name] = Case(
                values=given,
                body=body(properties={"a": {"properties": {"b": rule}, "additionalProperties": rule}}),
            )
        crowd = await Crowd.of(team, cases)
        settling = asyncio.create_task(crowd.settled(seconds=120))
        while not settling.done():
            assert await operator.healthy()
            await asyncio.wait([settling], timeout=0.2)
        found = await settling
        seen = codes(found)
        expected = {
            **dict.fromkeys((*schemas, *UNUSABLE), "InvalidValues"),
            **{name: seen[name] for name in cases if name.startswith("the pattern ")},
            **dict.fromkeys(REFUSED, "ValuesTooLarge"),
            # Which dialect a row claims to speak is publishing's to check; nothing is fetched for it.
            "a remote $schema": "InvalidValues",
        }
        assert seen == expected
        assert {seen[f"the pattern {pattern}"] for pattern in BACKTRACKING} <= {
            "InvalidValues",
            "ValuesTooLarge",
        }
        actors = {found[name]["status"]["failure"]["actor"] for name in (*RECURSIVE, *UNUSABLE)}
        assert actors == {"Platform"}
        assert canary.heard == []
    assert {name: text for name, text in messages(found).items() if "aaaa" in text or "passwd" in text} == {}
    await _assert_at_rest(crowd)
    assert await crowd.refused() == set()
    assert peak_memory(operator.pid) < 600 * MIB
    await _assert_deletable(crowd)


async def test_17_publishing_refuses_such_schemas_and_names_the_place(team: Team):
    async with listening(hang) as canary:
        bodies = remote(canary.origin)
        del bodies["a $ref behind a default"]
        schemas = [each["schema"] for each in bodies.values()]
        schemas += [{"type": "object", "properties": {"a": rule}} for rule in UNUSABLE.values()]
        documents = [
            template(f"t{n}", team.repository_url, schema=schema, mappings=[], components=[], examples=[{}])
            for n, schema in enumerate(schemas)
        ]
        with pytest.raises(LocalEnvironmentError) as error:
            await team.platform.ocdp("template", "apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
        for number in range(1, len(documents) + 1):
            assert f"document {number}, schema" in str(error.value)
        assert canary.heard == []


async def _assert_at_rest(crowd: Crowd) -> None:
    """No claim is worked on again and again: while others are, its status is not written."""

    async def versions() -> dict[str, str]:
        return {
            each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in await crowd.claims()
        }

    async def twice_alike() -> bool:
        return await versions() == await versions()

    await eventually(twice_alike, "no claim is written any more")
    before = await versions()
    team = crowd.team
    await team.claim("good", values={"greeting": "once more"})
    await team.ready("good")
    after = await versions()
    assert {name for name in before if before[name] != after[name]} == {"good"}


async def _assert_deletable(crowd: Crowd) -> None:
    team = crowd.team
    await team.platform.kubectl("delete", "wc", "--all", "-n", team.namespace, "--wait=false")

    async def none_left() -> bool:
        return not await crowd.claims()

    await eventually(none_left, "every claim is gone")
