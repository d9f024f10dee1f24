"""The command as it is called, as far as it needs no database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ocdp_operator.cli import cluster
from ocdp_operator.cli.app import COMMANDS, GROUPS, main
from tests.support.catalog_entries import template_document

Run = Callable[..., tuple[int, str, str]]
NOWHERE = "postgresql://me:hunter2@127.0.0.1:1/catalog"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``ocdp`` with these arguments; gives its code and what it printed on both streams."""
    monkeypatch.delenv("OCDP_CATALOG_DSN", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture
def template_file(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(yaml.safe_dump(template_document()))
    return path


def test_the_version_is_told(run: Run):
    code, out, _ = run("version")
    assert code == 0
    assert out.startswith("ocdp ")


@pytest.mark.parametrize(("command", "library"), [("workspace", "kubernetes"), ("claim", "psycopg")])
def test_a_command_loads_no_library_of_the_others(command: str, library: str):
    """In a process of its own: this one has loaded everything already."""
    code = f"import sys; from ocdp_operator.cli.app import program; program({command!r}); print({library!r} in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert printed.stdout == "False\n"


def test_every_command_is_there_by_its_name_alone_and_among_the_others(run: Run):
    _, everything, _ = run("--help")
    for name in (*GROUPS, *COMMANDS):
        assert f" {name} " in everything
        assert run(name, "--help")[0] == 0


@pytest.mark.parametrize("command", ["catalog", "template", "workspace", "binding", "cluster", "dev"])
def test_every_group_explains_itself(run: Run, command: str):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Commands" in out


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("template", "list"), ("template", "apply", "--dsn", NOWHERE, "-f", "/no/such/file")],
    ids=["unknown command", "no DSN", "no file"],
)
def test_wrong_usage_ends_with_2(run: Run, arguments: tuple[str, ...]):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert "hunter2" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("catalog", "migrate"),
        ("catalog", "grant", "--role", "x"),
        ("template", "list"),
        ("workspace", "manifest", "team-a", "--cluster", "local"),
    ],
    ids=" ".join,
)
def test_a_database_that_is_away_ends_with_3_and_its_dsn_is_not_told(run: Run, arguments: tuple[str, ...]):
    code, out, err = run(*arguments, "--dsn", NOWHERE)
    assert code == 3
    assert out == ""
    assert err.startswith("error: The catalog's PostgreSQL does not answer")
    assert "hunter2" not in err


def test_the_dsn_comes_from_the_environment_and_is_in_no_help(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OCDP_CATALOG_DSN", NOWHERE)
    assert run("cluster", "list")[0] == 3
    assert "hunter2" not in run("cluster", "list", "--help")[1]


def test_a_dsn_that_is_none_ends_with_2(run: Run):
    code, _, err = run("cluster", "list", "--dsn", "hunter2")
    assert code == 2
    assert "hunter2" not in err


def test_a_bad_file_is_refused_before_anything_is_connected_to(run: Run, template_file: Path):
    template_file.write_text(template_file.read_text() + "titel: x\n")
    code, _, err = run("template", "apply", "-f", str(template_file), "--dsn", NOWHERE)
    assert code == 1
    assert "document 1, titel: unknown key" in err


def test_another_commands_file_names_that_command(run: Run, template_file: Path):
    code, _, err = run("workspace", "apply", "-f", str(template_file), "--dsn", NOWHERE)
    assert code == 1
    assert "`ocdp template apply` takes kind WorkloadTemplate" in err


def test_a_fault_of_the_program_is_one_line_with_its_place_and_without_its_message(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr(cluster, "in_catalog", fail)
    code, out, err = run("cluster", "list", "--dsn", NOWHERE)
    assert (code, out) == (1, "")
    assert err.startswith(
        "error: InternalError: ocdp met a fault of its own: KeyError in cli/cluster.py, line "
    )
    assert err.endswith("Report this line; who must act: Maintainers.\n")
    assert (err.count("\n"), err.count("hunter2")) == (1, 0)


def test_objects_have_no_table(run: Run):
    code, out, err = run("render", "ide", "--dsn", NOWHERE, "-o", "table")
    assert (code, out) == (2, "")
    assert "choose yaml or json" in " ".join(err.split())


def test_a_claim_without_any_kubeconfig_says_where_one_goes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = run("claim", "list")
    assert code == 2
    assert err.startswith("error: There is no kubeconfig.\nwhat to do: Put the one that")
