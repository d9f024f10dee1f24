"""The shape of the code: files stay small, the import contracts hold, and each of them can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src" / "ocdp_operator"

VIOLATIONS = {
    "the plan reaches up to the reconcile": (
        "plan/order.py",
        "import ocdp_operator.reconcile.queue",
        "layers",
    ),
    "an adapter reads the settings": ("adapters/kustomize.py", "import ocdp_operator.settings", "layers"),
    "the model does I/O": ("model/names.py", "import socket", "the core knows no outside world"),
    "the reconcile speaks SQL": ("reconcile/parking.py", "import psycopg", "the core knows no outside world"),
    "an adapter decides": (
        "adapters/kustomize.py",
        "import ocdp_operator.plan.order",
        "adapters know the nouns",
    ),
    "an adapter uses another": (
        "adapters/kustomize.py",
        "import ocdp_operator.adapters.cluster",
        "adapters do not know each other",
    ),
    "validation needs a cluster": (
        "manifests/rules.py",
        "import ocdp_operator.adapters.cluster",
        "manifests are validated without",
    ),
    "kopf spreads": ("adapters/cluster/paths.py", "import kopf", "kopf is known"),
    "psycopg spreads": ("handlers.py", "import psycopg", "psycopg lives in"),
    "GitPython spreads": ("handlers.py", "import git", "GitPython lives in"),
    "the Kubernetes client spreads": ("handlers.py", "import kubernetes", "the Kubernetes client lives in"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the package below ``root``, with the project's contracts."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_import_contracts_hold():
    result = lint(PROJECT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("file", "line", "contract"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_each_import_contract_can_fail(tmp_path: Path, file: str, line: str, contract: str):
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    shutil.copytree(SOURCE, tmp_path / "src" / "ocdp_operator", ignore=shutil.ignore_patterns("__pycache__"))
    planted = tmp_path / "src" / "ocdp_operator" / file
    planted.write_text(f"{planted.read_text()}\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode != 0
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), result.stdout


def test_every_violation_is_of_a_contract_that_exists():
    contracts = (PROJECT / "pyproject.toml").read_text()
    assert all(f'name = "{contract}' in contracts for _, _, contract in VIOLATIONS.values())


def test_no_file_is_longer_than_400_lines():
    files = [*SOURCE.rglob("*.py"), *(PROJECT / "tests").rglob("*.py")]
    too_long = {
        str(file.relative_to(PROJECT)): n for file in files if (n := len(file.read_text().splitlines())) > 400
    }
    assert too_long == {}


def test_no_module_is_named_for_what_it_is_not():
    vague = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
    assert [file.name for file in SOURCE.rglob("*.py") if file.stem in vague] == []
