"""Files with claims for previews: what is no claim is refused in words."""

from __future__ import annotations

import io

import pytest
import typer

from ocdp_operator.cli.preview_files import read_claims
from ocdp_operator.errors import SettingsError


def _file(text: str) -> typer.FileBinaryRead:
    file = io.BytesIO(f"kind: WorkloadClaim\n{text}".encode())
    file.name = "claim.yaml"
    return file  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metadata: 3", "metadata must be a mapping"),
        ("metadata: [x]", "metadata must be a mapping"),
        ("metadata: {namespace: a}\nspec: [x]", "spec must be a mapping"),
        ("spec: {values: {a: [.inf]}}", r"spec\.values\.a\[0\]: JSON knows no infinity"),
    ],
)
async def test_what_is_no_claim_is_refused_with_the_file_and_the_place(text: str, said: str):
    with pytest.raises(SettingsError, match=rf"claim\.yaml: {said}"):
        await read_claims(_file(text), "", "local", None)
