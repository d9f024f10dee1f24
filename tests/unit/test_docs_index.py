"""docs/README.md leads to every page and every decision record."""

from __future__ import annotations

from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
INDEX = (DOCS / "README.md").read_text()
PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page != DOCS / "README.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_index_leads_to_the_page(page: str):
    assert f"]({page})" in INDEX
