from __future__ import annotations

from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.documents import load_documents
from ocdp_operator.plan.config_files import with_settings

Case = tuple[bytes, list[tuple[str, Any]], Any]

SET: dict[str, Case] = {
    "a value": (b"a: 1\nb: 2\n", [("/a", 3)], {"a": 3, "b": 2}),
    "a new value": (b"a: 1\n", [("/b", "x")], {"a": 1, "b": "x"}),
    "in an empty file": (b"# nothing\n", [("/a", 1)], {"a": 1}),
    "mappings on the way are made": (b"a: 1\n", [("/b/c/d", 1)], {"a": 1, "b": {"c": {"d": 1}}}),
    "null on the way is a mapping to be": (b"a:\n", [("/a/b", 1)], {"a": {"b": 1}}),
    "an item of a list": (b"a: [1, 2]\n", [("/a/1", 3)], {"a": [1, 3]}),
    "behind a list": (b"a: [{b: 1}]\n", [("/a/0/b", 2)], {"a": [{"b": 2}]}),
    "at the end of a list": (b"a: [1]\n", [("/a/-", 2)], {"a": [1, 2]}),
    "escaped steps": (b"{}", [("/a~1b/c~0d", 1)], {"a/b": {"c~d": 1}}),
    "the later one wins": (b"{}", [("/a", 1), ("/a", 2)], {"a": 2}),
    "an object": (b"{}", [("/a", {"b": [1]}), ("/a/c", 2)], {"a": {"b": [1], "c": 2}}),
}


@pytest.mark.parametrize(("content", "settings", "expected"), SET.values(), ids=SET.keys())
def test_values_are_set_in_yaml(content: bytes, settings: list[tuple[str, Any]], expected: Any):
    assert yaml.safe_load(with_settings("x.yaml", content, settings)) == expected


@given(st.floats(allow_nan=False) | st.integers(-(2**80), 2**80))
def test_any_number_stays_itself_for_a_parser_of_yaml_1_1(number: float):
    content = with_settings("x.yaml", b"old: .inf\nlarge: 36893488147419103232\n", [("/it", [number])])
    found = yaml.safe_load(content)
    assert (found["it"], found["old"], found["large"]) == ([number], float("inf"), 2**65)
    assert load_documents(content, name="x") == (found,)


def test_the_value_itself_is_not_changed_by_a_later_setting():
    value = {"b": 1}
    with_settings("x.yaml", b"", [("/a", value), ("/a/c", 2)])
    assert value == {"b": 1}


def test_json_stays_json_and_keeps_its_order():
    content = with_settings("x.json", b'{"z": 1, "a": true}', [("/m", None), ("/z", "no")])
    assert content == b'{\n  "z": "no",\n  "a": true,\n  "m": null\n}\n'


ENV: dict[str, tuple[bytes, list[tuple[str, Any]], bytes]] = {
    "replaced where it stands": (b"A=1\n# note\nB=2\n", [("/A", "x y")], b"A=x y\n# note\nB=2\n"),
    "added": (b"A=1", [("/B", 2)], b"A=1\nB=2\n"),
    "twice becomes once": (b"A=1\nB=2\nA=3\n", [("/A", True)], b"A=true\nB=2\n"),
    "in an empty file": (b"", [("/A", "")], b"A=\n"),
    "an equals sign in the value": (b"", [("/A", "b=c")], b"A=b=c\n"),
}


@pytest.mark.parametrize(("content", "settings", "expected"), ENV.values(), ids=ENV.keys())
def test_values_are_set_in_env_files(content: bytes, settings: list[tuple[str, Any]], expected: bytes):
    assert with_settings("app.env", content, settings) == expected


MISFITS: dict[str, tuple[str, bytes, str, Any]] = {
    "a text on the way": ("x.yaml", b"a: text\n", "/a/b", 1),
    "a list with a name": ("x.yaml", b"a: []\n", "/a/b", 1),
    "past the end of a list": ("x.yaml", b"a: [1]\n", "/a/1", 1),
    "a superscript index": ("x.yaml", b"a: [1]\n", "/a/²", 1),
    "a scalar file": ("x.yaml", b"text\n", "/a", 1),
    "two documents": ("x.yaml", b"a: 1\n---\nb: 1\n", "/a", 1),
    "no JSON": ("x.json", b"{", "/a", 1),
    "another kind of file": ("x.toml", b"", "/a", 1),
    "a line break in an env file": ("x.env", b"", "/A", "1\nB=2"),
    "a carriage return in an env file": ("x.env", b"", "/A", "1\r"),
    "an object in an env file": ("x.env", b"", "/A", {"b": 1}),
    "a deep pointer into an env file": ("x.env", b"", "/A/b", 1),
    "an equals sign as a variable": ("x.env", b"", "/A=b", 1),
    "an env file of other bytes": ("x.env", b"\xff", "/A", 1),
}


@pytest.mark.parametrize(("name", "content", "pointer", "value"), MISFITS.values(), ids=MISFITS.keys())
def test_a_value_that_does_not_fit_is_a_failed_build(name: str, content: bytes, pointer: str, value: Any):
    with pytest.raises(Stalled) as error:
        with_settings(name, content, [(pointer, value)])
    assert error.value.reason is Reason.BUILD_FAILED


def test_a_file_that_cannot_be_read_safely_is_refused():
    with pytest.raises(Stalled) as error:
        with_settings("x.yaml", b"a: !!python/name:os.system", [("/b", 1)])
    assert error.value.reason is Reason.UNSAFE_BUILD


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))


@given(TEXTS)
def test_any_text_stays_itself_for_parsers_of_yaml_and_of_json(text: str):
    content = with_settings("x.yaml", b"a: 1\n", [("/it", text)])
    assert yaml.safe_load(content)["it"] == text
    assert orjson.loads(content)["it"] == text


@pytest.mark.parametrize("name", ["c.yaml", "c.json"])
@pytest.mark.parametrize("text", ["\u2028", "a \u2028 b", "\u2029\n", "é\u2028"], ids=repr)
def test_what_yaml_takes_for_a_line_break_stays_a_character_of_text_and_of_keys(name: str, text: str):
    written = with_settings(name, b"", [("/x", {text: text})]) if name == "c.yaml" else None
    written = written or with_settings(name, b"{}", [("/x", {text: text})])
    assert yaml.safe_load(written) == orjson.loads(written) == {"x": {text: text}}
