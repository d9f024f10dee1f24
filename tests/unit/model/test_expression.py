from __future__ import annotations

import pytest

from ocdp_operator.model.expression import BadExpression, Reference, absent, analyse, work

REFERENCES: dict[str, tuple[str, list[str]]] = {
    "fields": ("values.a.b + values.c", ["values.a.b", "values.c"]),
    "a quoted name": ("values['a'].b + values[\"c-d\"]", ["values.a.b", "values.c-d"]),
    "an item": ("values.a[0].b", ["values.a[].b"]),
    "spaces and comments": ("values . a // values.zz", ["values.a"]),
    "texts are no names": ("values.a == 'values.b' || values.a == \"it's values.c\"", ["values.a"]),
    "raw texts and long ones": (r"""values.a + r'\' + '''values.b''' + values.c""", ["values.a", "values.c"]),
    "a method": ("values.a.startsWith('x') && values.b.size() > 1", ["values.a", "values.b"]),
    "functions": ("slug(claim.name + '-' + workspace.id)", ["claim.name", "workspace.id"]),
    "has": ("has(values.a.b) ? values.a.b : null", ["values.a.b?", "values.a.b"]),
    "the variable of a macro": (
        "values.models.map(m, {'name': m.name, 'url': m.at.url})",
        ["values.models[].name", "values.models[].at.url"],
    ),
    "has of a variable": ("values.models.filter(m, has(m.rpm))", ["values.models[].rpm?", "values.models"]),
    "items that were filtered": ("values.models.filter(m, m.on)[0].name", ["values.models[].on", "values.models[].name"]),
    "a macro over what was filtered": (
        "values.models.filter(m, m.on).map(x, x.name)",
        ["values.models[].on", "values.models[].name"],
    ),
    "a whole item": ("values.models.exists(m, m == claim.name)", ["values.models[]", "claim.name"]),
    "a pattern": ("values.a.matches('^[a-z]+$') && slug(values.b).matches(r'x')", ["values.a", "values.b"]),
    "two macros": ("values.a.all(x, x > 0) && values.b.exists_one(x, x == 1)", ["values.a[]", "values.b[]"]),
    "numbers": ("1.5 + 2e3 + .5 + 0x1F", []),
    "a selector of what was computed": ("values.a.map(x, 'b')[0].zz", []),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "references"), REFERENCES.values(), ids=REFERENCES.keys())
def test_what_an_expression_reads_is_told_without_evaluating_it(expression: str, references: list[str]):
    found = analyse(expression).references
    assert [f"{each}{'?' if each.guarded else ''}" for each in found] == references


def test_the_lists_of_macros_are_told():
    ranges = analyse("values.a.map(x, x) == values.b.c.filter(y, y > 0)").ranges
    assert [str(each) for each in ranges] == ["values.a", "values.b.c"]


REFUSED: dict[str, tuple[str, str]] = {
    "too long": ("values.a" + " " * 512, "at most 512 characters"),
    "an unknown name": ("foo.bar", "foo is not known"),
    "an unknown name in a macro": ("values.a.map(x, y)", "values, profile, workspace, claim, x"),
    "a variable after its macro": ("values.a.exists(x, true) && x", "x is not known"),
    "an unknown function": ("now()", "no function now"),
    "an unknown method": ("values.a.lower()", "no function lower"),
    "an absolute name": (".values.a", "without a point"),
    "a map's key without quotes": ("{name: 1}", "name is not known"),
    "a root alone": ("values", "values alone"),
    "a field of the claim": ("claim.uid", "claim.uid is unknown; there are claim.name"),
    "an index that is computed": ("values.a[values.b]", "must be known"),
    "an escaped name": (r"values['a\x62']", "plainly"),
    "a nested macro": ("values.a.map(x, x.b.map(y, y))", "inside of another macro"),
    "a macro over a literal": ("[1, 2].map(x, x)", "write values.<path>.map"),
    "a macro over a profile": ("profile.tolerations.map(x, x)", "write values.<path>.map"),
    "a macro over what was computed": ("values.a.map(x, x).map(y, y)", "write values.<path>.map"),
    "a macro over all values": ("values.map(x, x)", "write values.<path>.map"),
    "a macro whose variable hides a root": ("values.a.map(claim, claim)", "a name of its own"),
    "a macro without a variable": ("values.a.map(1)", "a name of its own"),
    "a macro that takes its list for every item": ("values.a.map(x, values.a)", "values.a as a whole"),
    "and what holds its list": ("values.a.b.map(x, size(values.a))", "values.a as a whole"),
    "a macro without an end": ("values.a.map(x, x", "a ) is missing"),
    "a pattern of the values": ("values.a.matches(values.b)", "written there in quotes"),
    "a pattern put together": ("values.a.matches('(' + values.b + ')')", "written there in quotes"),
    "a pattern of an item": ("values.a.filter(m, claim.name.matches(m.p))", "written there in quotes"),
    "a pattern for what was computed": ("(values.a + 'x').matches(values.b)", "written there in quotes"),
    "a pattern for each item": ("values.a.filter(m, m.n.matches('^a'))", "inside of a macro"),
    "a pattern as a function": ("matches(values.a, values.b)", "write matches behind the text"),
    "has of what is no path": ("has(size(values.a))", "has takes a path"),
    "has of a sum": ("has(values.a + 1)", "has takes a path"),
}


@pytest.mark.parametrize(("expression", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_template_may_hold_is_refused_in_words_for_its_author(expression: str, why: str):
    with pytest.raises(BadExpression) as caught:
        analyse(expression)
    assert why in str(caught.value)


def test_has_asks_for_every_part_of_the_way():
    asked = analyse("has(profile.ingress.tls.secretName) && has(values.a)").text
    assert asked == (
        "(has(profile.ingress) && profile.ingress != null && has(profile.ingress.tls) && profile.ingress.tls != null"
        " && has(profile.ingress.tls.secretName)) && has(values.a)"
    )


ROOTS = {"values": {"a": {"b": None}, "list": [{}]}}


@pytest.mark.parametrize(
    ("path", "is_absent"),
    [("values.a.b", False), ("values.a.c", True), ("values.a.b.c", True), ("values.list.[].x", False), ("profile.x", True)],
)  # fmt: skip
def test_absent_looks_as_far_as_an_item(path: str, is_absent: bool):
    assert absent(Reference(tuple(path.split("."))), ROOTS) is is_absent


HEAVY = {"values": {"l": [{"n": "ab"}] * 10, "t": "x" * 98, "gone": None}, "profile": {"p": "x" * 8}}
LIST = len('[{"n":"ab"}]') * 10 - 9


@pytest.mark.parametrize(
    ("expression", "copied"),
    [
        ("1", 0),
        ("values.gone == values.absent", 0),
        ("values.t", 100),
        ("values.t == values.t", 100),
        ("values.t + '+' + profile.p", 3 * 110),
        ("values.l.map(m, m.n + m.n)", 2 * LIST),
        ("values.l.map(m, values.t)", LIST + 100 + 10 * 100),
        ("values.l.map(m, values.t == m.n || values.t == profile.p)", LIST + 110 + 10 * 210),
        ("values.l.filter(m, has(values.t)).map(x, values.t + x.n)", 2 * (LIST + 100 + 20 * 100)),
        ("values.t.map(x, values.gone)", 100),
    ],
)
def test_work_counts_what_is_copied_for_each_item_and_each_sum(expression: str, copied: int):
    assert work(analyse(expression), HEAVY) == copied
