from __future__ import annotations

import io
from typing import Any

import pytest
import typer

from ocdp_operator.cli.claims.values import read_values


def _file(text: str) -> typer.FileBinaryRead:
    file = io.BytesIO(text.encode())
    file.name = "values.yaml"
    return file  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("sets", "values"),
    [
        (["storageGi=20"], {"storageGi": 20}),
        (["a.b=true", "a.c=null"], {"a": {"b": True, "c": None}}),
        (["a=text", "b=1.36", "c=v1.36"], {"a": "text", "b": 1.36, "c": "v1.36"}),
        (['a="20"', "b=no", "c=1e3"], {"a": "20", "b": "no", "c": 1000.0}),
        (['a=[1, "x"]', 'b={"c": 1}'], {"a": [1, "x"], "b": {"c": 1}}),
        (["models[0].name=a", "models[0].rpm=5", "models[1].name=b"], {"models": [{"name": "a", "rpm": 5}, {"name": "b"}]}),
        (["a[0][0]=1"], {"a": [[1]]}),
        ([r"a\.b.c=1"], {"a.b": {"c": 1}}),
        (["a=", "b=x=y"], {"a": "", "b": "x=y"}),
        (["a=NaN"], {"a": "NaN"}),
        (["a=1", "a=2"], {"a": 2}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_value_is_json_where_it_is_json_else_text(sets: list[str], values: dict[str, Any]):
    assert read_values((), sets, ()) == values


def test_a_text_stays_text_whatever_it_looks_like():
    assert read_values((), ["a=1"], ["b=1", "c=true", "a=0"]) == {"a": "0", "b": "1", "c": "true"}


def test_files_are_merged_by_key_and_options_go_over_them():
    files = [_file("a: {b: 1, c: [1, 2]}\nd: y"), _file("a: {b: 2, c: [3]}"), _file("")]
    assert read_values(files, ["a.e=4"], ()) == {"a": {"b": 2, "c": [3], "e": 4}, "d": "y"}


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["a"], "has no ="),
        (["=1"], "is no path"),
        (["a..b=1"], "is no path"),
        (["a.=1"], "is no path"),
        (["a[x]=1"], "is no path"),
        (["a[1]=1"], "not the next item"),
        (["a=1", "a.b=2"], "no map"),
        (["a.b=1", "a[0]=2"], "not the next item"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_path_that_is_none_is_wrong_usage(sets: list[str], said: str):
    with pytest.raises(typer.BadParameter, match=said):
        read_values((), sets, ())


@pytest.mark.parametrize("text", ["- a", "a: 1\n---\nb: 2", "a: {", "a: 1\na: 2"])
def test_a_file_that_is_no_map_is_wrong_usage(text: str):
    with pytest.raises(typer.BadParameter, match=r"values\.yaml"):
        read_values([_file(text)], (), ())


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("a=99999999999999999999", "a: an integer has at most 64 bits"),
        ("a.b[0]=1e999", r"a\.b\[0\]: JSON knows no infinity"),
        ("a=\udcff", "a: it is not UTF-8"),
        ("a\udcff=1", r"a\\udcff: it is not UTF-8"),
        ("a=x\0", "a: a NUL character"),
        ("a=" + "[" * 100_000, "a: the value is nested too deep"),
        ("a=" + "[" * 51 + "]" * 51, "nested more than 50 levels deep"),
        (".".join("a" * 3000) + "=1", "nested more than 50 levels deep"),
    ],
    ids=["integer", "infinity", "text", "name", "NUL", "no end", "depth", "path"],
)
def test_what_json_cannot_carry_is_refused_with_its_path(item: str, said: str):
    with pytest.raises(typer.BadParameter, match=said):
        read_values((), [item], ())


def test_an_infinity_in_a_file_is_refused_with_its_path():
    with pytest.raises(typer.BadParameter, match="a: JSON knows no infinity"):
        read_values([_file("a: .inf")], (), ())
