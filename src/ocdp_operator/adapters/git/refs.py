"""Refs as people write them: a branch, a tag, a full name, or a commit."""

from __future__ import annotations

import re
from typing import Final

from ocdp_operator.adapters.confined import Ended
from ocdp_operator.adapters.git.mirror import COMMIT
from ocdp_operator.errors import Reason, Stalled

_MAX_REF: Final = 255
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[-./]|[/.]$|^@$")
"""What git-check-ref-format(1) forbids, and a leading dash."""


def check_ref(ref: str) -> None:
    """Raises Stalled(RefNotFound) for what can be no ref."""
    if not ref or len(ref) > _MAX_REF or not ref.isprintable() or _FORBIDDEN.search(ref):
        clean = "".join(char if char.isprintable() else "?" for char in ref[:80])
        raise Stalled(Reason.REF_NOT_FOUND, f"{clean!r} can be no branch, tag or commit.")


def candidates(ref: str) -> tuple[str, ...]:
    """Full names that a ref may stand for, the first that exists wins: tags before branches, as in gitrevisions(7)."""
    if ref == "HEAD" or ref.startswith("refs/"):
        return (ref,)
    return (f"refs/tags/{ref}", f"refs/heads/{ref}")


def patterns(ref: str) -> tuple[str, ...]:
    """What to ask ``ls-remote`` for: each name, and the commit behind an annotated tag."""
    return tuple(pattern for name in candidates(ref) for pattern in (name, f"{name}^{{}}"))


def commit_of(ref: str, listed: Ended) -> str | None:
    """The commit that the ref names by what ``ls-remote`` printed; None when it names none."""
    found: dict[str, str] = {}
    for line in listed.output.decode(errors="replace").splitlines():
        commit, _, name = line.partition("\t")
        if COMMIT.fullmatch(commit):
            found[name] = commit
    for name in candidates(ref):
        # ls-remote matches the ends of names too: only exactly these count.
        if name in found:
            return found.get(f"{name}^{{}}", found[name])
    return None
