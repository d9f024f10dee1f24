from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.documents import load_documents, parse_rendering

MIB = 1024 * 1024
MANIFESTS = b"""apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  text: |
    one
    two
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {ports: [{port: 80, targetPort: http}]}
"""


def load(text: str) -> Any:
    (document,) = load_documents(text.encode(), name="file.yaml")
    return document


@pytest.mark.parametrize(
    ("text", "value"),
    {
        "a date stays text": ("2020-01-01", "2020-01-01"),
        "sixty-based numbers stay text": ("22:22", "22:22"),
        "y stays text": ("y", "y"),
        "no is false": ("no", False),
        "On is true": ("On", True),
        "quoted no is text": ("'no'", "no"),
        "1e3 is a number": ("1e3", 1000.0),
        "0o7 is a number": ("0o7", 7),
        "010 is octal": ("010", 8),
        "0x1F is a number": ("0x1F", 31),
        "1_000 is a number": ("1_000", 1000),
        "a float": ("-1.5", -1.5),
        "a number too large for a float stays text": ("1e999", "1e999"),
        "a version stays text": ("1.2.3", "1.2.3"),
        "a sign stays text": ("+", "+"),
        "nothing is null": ("~", None),
        "an equals sign is text": ("=", "="),
        "a quoted number is text": ('"1"', "1"),
        "a tagged text": ("!!str 1", "1"),
        "a tagged number": ("!!int '1'", 1),
        "a tagged float": ("!!float 1", 1.0),
    }.values(),
    ids=str,
)
def test_scalars_mean_what_they_mean_to_kubectl(text: str, value: Any):
    found = load(f"key: {text}\n")["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_document_of_a_stream_comes_back_and_an_empty_one_is_none():
    assert load_documents(b"a: 1\n---\n---\n- 2\n", name="x") == ({"a": 1}, None, [2])
    assert load_documents(b"", name="x") == ()


def test_an_alias_becomes_a_copy():
    found = load("a: &x {list: [1]}\nb: *x\n")
    assert found == {"a": {"list": [1]}, "b": {"list": [1]}}
    assert found["a"]["list"] is not found["b"]["list"]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

REFUSED = {
    "a bomb of fewer than 100 aliases": (BOMB, "aliases repeat"),
    "more than 100 aliases": (f"a: &a 1\nb: [{', '.join(['*a'] * 101)}]", "more than 100 aliases"),
    "an alias inside of what it names": ("a: &a [*a]", "alias of nothing"),
    "an alias of nothing": ("a: *b", "alias of nothing"),
    "too deep": ("[" * 51 + "]" * 51, "nested more than 50"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", "line 3: the key a twice"),
    "a number as a key": ("1: x", "a key that is no text"),
    "a boolean as a key": ("on: x", "a key that is no text"),
    "a list as a key": ("? [a]\n: x", "a key that is no text"),
    "a merge key": ("a: &a {b: 1}\nc: {<<: *a}", "a merge key"),
    "a Python object": ("a: !!python/object/apply:os.system [x]", "a tag"),
    "binary": ("a: !!binary aGk=", "a tag"),
    "a tag of one's own": ("a: !x {}", "a tag"),
    "a tag that does not fit": ("a: !!int x", "a tag"),
    "no YAML": ("a: [", "line 2"),
    "a control character": ("a: \x07", "file.yaml"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_costs_too_much_or_means_two_things_is_refused_by_name(text: str, why: str):
    with pytest.raises(Stalled, match=why) as error:
        load(text)
    assert error.value.reason is Reason.UNSAFE_BUILD
    assert error.value.message.startswith("file.yaml")


ENCODINGS = {
    "a byte order mark": b"\xef\xbb\xbfa: 1",
    "NUL": b"a: \0",
    "UTF-16": "a: 1".encode("utf-16"),
    "UTF-16 without a mark": "a: 1".encode("utf-16-le"),
    "Latin-1": "a: é".encode("latin-1"),
    "more than 1 MiB": b"#" * (MIB + 1),
}


@pytest.mark.parametrize("data", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_only_utf_8_of_a_sane_size_is_read(data: bytes):
    with pytest.raises(Stalled) as error:
        load_documents(data, name="file.yaml")
    assert error.value.reason is Reason.UNSAFE_BUILD


HOSTILE = {
    "brackets": b"[" * MIB,
    "braces": b"{" * MIB,
    "dashes": b"- " * (MIB // 2),
    "question marks": b"? " * (MIB // 2),
    "flow question marks": b"[? " * (MIB // 3),
    "anchors": b"&a " * (MIB // 3),
    "tags": b"!a " * (MIB // 3),
    "an open quote": b'"' + b"a" * (MIB - 1),
    "many scalars": b"[" + b"1," * (MIB // 2 - 1) + b"]",
    "many keys": b"".join(b"key%d: 1\n" % number for number in range(80_000)),
    "many documents": b"---\n" * (MIB // 4),
    "a long key": b'"' + b"k" * 1000 + b'": 1\n',
    "comments": b"# x\n" * (MIB // 4),
    "digits": b"a: " + b"1" * (MIB - 3),
    "a block scalar": b"a: |\n" + b" x\n" * (MIB // 3 - 2),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_mebibyte_of_anything_takes_less_than_two_seconds(data: bytes):
    began = time.process_time()
    try:
        load_documents(data, name="file.yaml")
    except Stalled as error:
        assert error.reason is Reason.UNSAFE_BUILD  # noqa: PT017 - refused or read, but soon
    assert time.process_time() - began < 2


def test_a_rendering_is_read_as_pyyaml_reads_it():
    assert list(parse_rendering(MANIFESTS)) == list(yaml.safe_load_all(MANIFESTS))


@pytest.mark.parametrize(
    "text", ["a: .nan", "a: -.inf", f"a: {2**64}", "a: &a 1\nb: *a", "a: 1\na: 2"], ids=str
)
def test_a_rendering_that_the_api_server_could_not_take_is_a_failed_build(text: str):
    with pytest.raises(Stalled) as error:
        parse_rendering(text.encode())
    assert error.value.reason is Reason.BUILD_FAILED


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<=-:é", max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_json_written_as_yaml_comes_back_as_it_was(value: Any):
    text = yaml.dump({"key": value}, Dumper=_Quoting, allow_unicode=True)
    assert parse_rendering(text.encode()) == ({"key": value},)


class _Quoting(yaml.SafeDumper):
    """Every text in double quotes, as kustomize writes what could be read in two ways; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)
