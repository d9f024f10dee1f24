"""What PostgreSQL's refusals mean: an outage that all claims wait for, or one claim's own trouble."""

from __future__ import annotations

import psycopg
import pytest

from ocdp_operator.adapters.catalog.failures import unavailable
from ocdp_operator.errors import CATALOG, Reason


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(psycopg.OperationalError("gone"), id="connection lost"),
        pytest.param(psycopg.errors.QueryCanceled(), id="too slow"),
        pytest.param(psycopg.errors.UndefinedTable(), id="not migrated"),
        pytest.param(psycopg.errors.InsufficientPrivilege(), id="no privilege"),
        pytest.param(TimeoutError(), id="no answer in time"),
    ],
)
def test_an_outage_is_for_all_claims_to_wait_for(error: Exception):
    failure = unavailable(error)
    assert (failure.reason, failure.dependency) == (Reason.CATALOG_UNAVAILABLE, CATALOG)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(psycopg.DataError("text fields cannot contain NUL"), id="before it is sent"),
        pytest.param(psycopg.errors.NumericValueOutOfRange("hunter2"), id="by the server"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_claims_own_trouble(error: Exception):
    failure = unavailable(error)
    assert (failure.reason, failure.dependency) == (Reason.CATALOG_UNAVAILABLE, None)
    assert "hunter2" not in failure.message
