"""``ocdp manifests validate`` as it is called."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ocdp_operator.manifests.rendering import Programs
from tests.support.manifest_trees import BASE, GONE, edited, replaced

Validate = Callable[..., Awaitable[tuple[int, list[str], str]]]


@pytest.fixture
def command(programs: Programs) -> Validate:
    """Runs it on a repository; gives its code, the lines it printed, and what it complained of."""

    async def run(root: Path, *arguments: str) -> tuple[int, list[str], str]:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "ocdp_operator.cli.app", "manifests", "validate", "--root", str(root)),
            *("--kustomize", str(programs.kustomize), "--kubectl", str(programs.kubectl)),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await child.communicate()
        return child.returncode or 0, output.decode().splitlines(), errors.decode()

    return run


async def test_a_table_and_a_summary_tell_what_was_done(clean: Path, command: Validate):
    code, lines, errors = await command(clean)
    assert (code, errors) == (0, "")
    rows = {line[: line.index("  ")]: line.split() for line in lines[1:-1]}
    assert rows["code-server base + ingress"][-4:-2] == ["6", "ok"]
    assert rows["code-server-site"][1:3] == ["8", "ok"]
    summary = lines[-1]
    assert "2 overlays, " in summary
    assert "Kubernetes v1.36.3, kustomize v5.8.1, no errors, " in summary


async def test_what_is_wrong_is_told_once_with_all_its_places(tree: Path, command: Validate):
    edited(f"{BASE}/deployment.yaml", "spec/template/spec/containers/0/livenessProbe", GONE)(tree)
    code, lines, _ = await command(tree, "--write-golden")
    assert code == 1
    said = [line for line in lines if line.startswith("error:")]
    place = "Deployment/code-server spec.template.spec.containers[code-server].livenessProbe"
    assert said[0] == f"error: {BASE}: {place}: must be given"
    assert lines[lines.index(said[0]) + 1].startswith("    also in ")
    # The other overlay has a prefix: its object is another one.
    assert len(said) == 2
    assert "2 errors" in lines[-1]


async def test_a_difference_is_shown_with_the_command_that_accepts_it(tree: Path, command: Validate):
    replaced(f"{BASE}/deployment.yaml", "cpu: 500m", "cpu: 600m")(tree)
    code, lines, _ = await command(tree)
    assert code == 1
    assert "    -            cpu: 500m" in lines
    assert "    +            cpu: 600m" in lines
    assert any("ocdp manifests validate --write-golden" in line for line in lines)


async def test_golden_files_are_renewed_on_request(tree: Path, command: Validate):
    replaced(f"{BASE}/deployment.yaml", "cpu: 500m", "cpu: 600m")(tree)
    stale = tree / "tests/kustomize/golden/code-server-gone.yaml"
    stale.write_text("a: b\n")
    code, lines, _ = await command(tree, "--write-golden")
    assert code == 0
    assert [line for line in lines if line.startswith("renewed")] == [
        "renewed code-server-gone.yaml",
        "renewed code-server-plain.yaml",
        "renewed code-server-site.yaml",
    ]
    assert not stale.exists()
    code, lines, _ = await command(tree)
    assert code == 0, lines


async def test_a_directory_without_apps_is_a_mistake_of_the_caller(tmp_path: Path, command: Validate):
    code, _, errors = await command(tmp_path)
    assert code == 2
    assert "holds no directory apps" in errors
