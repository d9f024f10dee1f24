"""What the commands print, and the code they end with."""

from __future__ import annotations

import json

import pytest
import yaml

from ocdp_operator.cli.output import Format, show_documents, show_entries, tell
from ocdp_operator.errors import CATALOG, OcdpError, Reason, Refused, SettingsError, Stalled, Waiting
from ocdp_operator.model.publication import ClusterEntry, PublicationError


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PublicationError("x is refused", remedy="do y"), 1, ["error: x is refused", "what to do: do y"]),
        (
            Stalled(Reason.REF_NOT_FOUND, "no v9"),
            1,
            [
                "error: no v9",
                "code: RefNotFound; who must act: Platform",
                "what to do: Publish the template with",
            ],
        ),
        (SettingsError("origins: missing"), 2, ["error: origins: missing"]),
        (
            Waiting(Reason.CATALOG_UNAVAILABLE, "away", dependency=CATALOG),
            3,
            [
                "error: away",
                "code: CatalogUnavailable; who must act: ClusterOperator",
                "what to do: ",
            ],
        ),
        (Refused("no such claim", remedy="look"), 1, ["error: no such claim", "what to do: look"]),
        (OcdpError("[bold]a[/bold] path [/etc]"), 1, ["error: [bold]a[/bold] path [/etc]"]),
    ],
    ids=["refused", "stalled", "settings", "away", "the API server's no", "markup is text"],
)
def test_an_error_is_one_message_with_what_to_do_and_a_code(
    error: OcdpError, code: int, said: list[str], capsys: pytest.CaptureFixture[str]
):
    assert tell(error) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    for line, expected in zip(printed.err.splitlines(), said, strict=True):
        assert line.startswith(expected)


def test_a_table_in_a_pipe_has_one_line_for_each_row(capsys: pytest.CaptureFixture[str]):
    entries = [ClusterEntry(id="local"), ClusterEntry(id="x" * 60)]
    rows = [(entry.id, "y" * 200) for entry in entries]
    show_entries(entries, Format.TABLE, columns=("CLUSTER", "LONG"), rows=rows)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["CLUSTER", "LONG"], *[list(row) for row in rows]]


def test_documents_are_printed_as_yaml_or_json(capsys: pytest.CaptureFixture[str]):
    documents = [{"kind": "Cluster", "id": "müller"}, {"kind": "Cluster", "id": "no"}]
    show_documents(documents, Format.YAML)
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == documents
    show_documents(documents, Format.JSON)
    assert json.loads(capsys.readouterr().out) == documents
