"""What a user's request cannot say is refused before it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.adapters.cluster.claims import UserClaims
from ocdp_operator.errors import Refused

CLAIMS = UserClaims(None, "team-a")  # type: ignore[arg-type] - nothing is sent


@pytest.mark.parametrize("value", [2**64, "\udcff"], ids=["integer", "text"])
async def test_what_json_cannot_carry_is_refused(value: Any):
    with pytest.raises(Refused, match="cannot be written as JSON"):
        await CLAIMS.create({"metadata": {"name": "ide"}, "spec": {"values": {"a": value}}})


async def test_a_name_that_is_not_utf8_is_refused():
    with pytest.raises(Refused, match="name of the claim is not UTF-8"):
        await CLAIMS.get("\udcff")
    with pytest.raises(Refused, match="name of the namespace is not UTF-8"):
        UserClaims(None, "\udcff")  # type: ignore[arg-type] - nothing is sent
