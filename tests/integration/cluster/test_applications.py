"""The applications without the operator, as a person with kubectl deploys them: by their READMEs alone, and in every choice."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from itertools import chain, combinations
from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.process import run
from tests.support.app_renderings import APPS, APPS_DIRECTORY, ROOT, kustomization
from tests.support.fix_controlplane import Namespaces

NAMESPACES = {
    "code-server": ("my-ide", "ides"),
    "litellm": ("my-gateway", "gateways"),
    "vllm-server": ("my-model", "models"),
}
"""Application -> the namespaces that its README speaks of: of the first commands, and of the kustomization for a site."""
CREDENTIALS = ("PASSWORD", "LITELLM_MASTER_KEY", "VLLM_API_KEY")
EXPOSURES = ("ingress", "service-loadbalancer", "service-nodeport")


def blocks(app: str, language: str) -> list[str]:
    """Code blocks of the README, in their order."""
    text = (APPS_DIRECTORY / app / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def choices(app: str) -> list[tuple[str, ...]]:
    """The base alone, and with every set of components: at most one exposure, any of the others."""
    names = sorted(path.name for path in (APPS_DIRECTORY / app / "components").iterdir())
    others = [name for name in names if name not in EXPOSURES]
    return [
        (*beside, *exposure)
        for size in range(len(others) + 1)
        for beside in combinations(others, size)
        for exposure in ((), *((name,) for name in EXPOSURES))
    ]


@pytest.fixture
async def shell(control_plane: Cluster, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The environment of a person whose kubectl is set to this cluster; what the READMEs make is gone afterwards."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").symlink_to(control_plane.binaries.kubectl)
    yield {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(control_plane.kubeconfig),
    }
    await control_plane.kubectl(
        "delete", "namespace", "--ignore-not-found", "--wait=false", *chain(*NAMESPACES.values())
    )


async def typed(commands: str, environment: dict[str, str], directory: Path) -> str:
    """What the commands print; every one of them succeeds."""
    ended = await run("bash", "-euo", "pipefail", "-c", f"cd {directory}\n{commands}", env=environment)
    assert ended.code == 0, ended.errors
    return ended.output.decode()


@pytest.mark.parametrize("app", APPS)
async def test_the_first_commands_of_a_readme_deploy_it(app: str, shell: dict[str, str]) -> None:
    first, *_ = blocks(app, "")
    said = await typed(first, shell, ROOT)
    assert f'deployment "{app}" successfully rolled out' in said


@pytest.mark.parametrize("app", APPS)
async def test_the_kustomizations_of_a_readme_are_taken(
    app: str, shell: dict[str, str], control_plane: Cluster, tmp_path: Path
) -> None:
    """With the settings that the README gives, or the base's."""
    given = {text: yaml.safe_load(text) for text in blocks(app, "yaml")}
    sites = [text for text, parsed in given.items() if parsed.get("kind") == "Kustomization"]
    settings = [text for text in given if text not in sites]
    _, namespace = NAMESPACES[app]
    await typed(f"kubectl create namespace {namespace}", shell, tmp_path)
    shutil.copytree(APPS_DIRECTORY, tmp_path / "apps")
    (tmp_path / namespace).mkdir()
    base = (APPS_DIRECTORY / app / "base" / "config.yaml").read_text()
    (tmp_path / namespace / "config.yaml").write_text(next(iter(settings), base))
    strict = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    assert sites
    for site in sites:
        (tmp_path / namespace / "kustomization.yaml").write_text(site)
        told = await control_plane.kubectl("apply", *strict, "-k", str(tmp_path / namespace))
        assert f"deployment.apps/{app} serverside-applied (server dry run)" in told


@pytest.mark.parametrize("app", APPS)
async def test_a_base_becomes_ready_with_every_choice_of_components(
    app: str, control_plane: Cluster, namespace: Namespaces, tmp_path: Path
) -> None:
    """Side by side in one restricted namespace: names and the label of the instance keep them apart."""
    shutil.copytree(APPS_DIRECTORY, tmp_path / "apps")
    listed = choices(app)
    for number, components in enumerate(listed):
        (tmp_path / f"set-{number}").mkdir()
        files = kustomization(
            resources=[f"../apps/{app}/base"],
            components=[f"../apps/{app}/components/{name}" for name in components],
            namePrefix=f"set-{number}-",
            labels=[{"pairs": {"app.kubernetes.io/instance": f"set-{number}"}, "includeSelectors": True}],
        )
        (tmp_path / f"set-{number}" / "kustomization.yaml").write_bytes(files["kustomization.yaml"])
    sets = [f"set-{number}" for number in range(len(listed))]
    (tmp_path / "kustomization.yaml").write_bytes(kustomization(resources=sets)["kustomization.yaml"])

    where = f"--namespace={await namespace()}"
    literals = [f"--from-literal={key}=sk-not-a-secret-of-anybody" for key in CREDENTIALS]
    await control_plane.kubectl("create", "secret", "generic", "credentials", where, *literals)
    await control_plane.kubectl("apply", "--server-side", where, "-k", str(tmp_path))
    await control_plane.kubectl(
        "wait", where, "--for=condition=Available", "--timeout=120s", "deployment", "--all"
    )
    ready = yaml.safe_load(await control_plane.kubectl("get", "deployment", where, "-o", "yaml"))["items"]
    assert len(ready) == len(listed)
