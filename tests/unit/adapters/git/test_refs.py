from __future__ import annotations

import pytest

from ocdp_operator.adapters.confined import Ended
from ocdp_operator.adapters.git.refs import check_ref, commit_of, patterns
from ocdp_operator.errors import Reason, Stalled

A, B, C = (letter * 40 for letter in "abc")


def listed(*lines: tuple[str, str]) -> Ended:
    return Ended(0, "".join(f"{commit}\t{name}\n" for commit, name in lines).encode(), "")


@pytest.mark.parametrize(
    "ref", ["main", "v1.0.0", "feature/x", "refs/heads/main", "HEAD", "a@b", "é", A], ids=str
)
def test_names_that_git_allows_pass(ref: str):
    check_ref(ref)


BAD = [
    *("", "-x", "--upload-pack=x", ".x", "x/.y", "x..y", "x.lock", "x.lock/y", "x/", "/x", "x//y", "x."),
    *("@", "x@{1}", "x y", "x~1", "x^{}", "x:y", "x?", "x*", "x[", "x\\y", "x\n", "x\0", "x\x7f", "x" * 256),
]


@pytest.mark.parametrize("ref", BAD, ids=repr)
def test_names_that_git_forbids_are_refused(ref: str):
    with pytest.raises(Stalled) as error:
        check_ref(ref)
    assert error.value.reason is Reason.REF_NOT_FOUND
    assert error.value.message.isprintable()


def test_a_tag_wins_over_a_branch_of_the_same_name():
    assert commit_of("v1", listed((A, "refs/heads/v1"), (B, "refs/tags/v1"))) == B


def test_an_annotated_tag_is_followed_to_its_commit():
    assert "refs/tags/v1^{}" in patterns("v1")
    assert commit_of("v1", listed((A, "refs/tags/v1"), (B, "refs/tags/v1^{}"))) == B


def test_only_the_exact_name_counts():
    answer = listed((A, "refs/heads/feature/main"), (B, "refs/remotes/x/refs/heads/main"))
    assert commit_of("main", answer) is None


def test_full_names_and_head_are_taken_as_they_are():
    assert patterns("refs/heads/main") == ("refs/heads/main", "refs/heads/main^{}")
    assert commit_of("refs/heads/main", listed((A, "refs/tags/main"), (B, "refs/heads/main"))) == B
    assert commit_of("HEAD", listed((C, "HEAD"))) == C


def test_lines_that_name_no_commit_are_ignored():
    assert commit_of("main", Ended(0, b"garbage\nref: x\trefs/heads/main\n\xff\n", "")) is None
