"""The operator as `config/` installs it: the account, arguments, environment, files and probes of the Deployment's own Pod."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.podprocess import PodProcess
from ocdp_operator.dev.podspec import read_container
from ocdp_operator.dev.ports import free_port
from tests.support.installs import NAMESPACE, SELECTOR, Objects, one, referred, render, write_overlay
from tests.support.world import Team, eventually

IMAGE = (sys.executable, "-m", "ocdp_operator")
"""What the image's entry point is."""


@pytest.fixture
async def overlay(platform: Platform, tmp_path: Path) -> Objects:
    """An overlay as a platform team would write it: its own settings, and a port that is free on this machine."""
    port = free_port()
    settings = {
        "clusterId": "local",
        "origins": [{"origin": platform.git.origin, "insecure": True}],
        "allowedIngressDomains": ["apps.example.test"],
        "healthPort": port,
        "catalogPollSeconds": 1,
        "probeSeconds": 1,
    }
    directory = write_overlay(
        tmp_path / "overlay",
        {"settings.yaml": yaml.safe_dump(settings)},
        configMapGenerator=[
            {
                "name": "ocdp-operator-settings",
                "namespace": NAMESPACE,
                "behavior": "replace",
                "files": ["settings.yaml"],
            }
        ],
        patches=[
            {
                "target": {"kind": "Deployment", "name": "ocdp-operator"},
                "patch": yaml.safe_dump(
                    [
                        {
                            "op": "replace",
                            "path": "/spec/template/spec/containers/0/ports/0/containerPort",
                            "value": port,
                        }
                    ]
                ),
            }
        ],
    )
    return await render(platform.cluster.binaries.kustomize, directory)


@pytest.fixture
async def pod(platform: Platform, overlay: Objects) -> AsyncIterator[dict[str, Any]]:
    """The Pod that the installed Deployment has."""
    secret = ("secret", "generic", "ocdp-catalog", "-n", NAMESPACE)
    own = [each for each in overlay if each["kind"] in ("Deployment", "Service", "NetworkPolicy")]
    own.append(one(overlay, "ConfigMap", "ocdp-operator-settings"))
    await platform.kubectl("create", *secret, f"--from-literal=dsn={platform.reader_dsn}")
    await platform.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(own)
    )

    async def running() -> dict[str, Any] | None:
        pods = (await platform.get("pods", "-n", NAMESPACE, "-l", SELECTOR))["items"]
        return next((each for each in pods if each["status"].get("phase") == "Running"), None)

    yield await eventually(running, "the Deployment's Pod runs")
    await platform.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(own))
    await platform.kubectl("delete", "secret", "ocdp-catalog", "-n", NAMESPACE)


async def test_the_operator_runs_from_what_config_renders(
    platform: Platform, operator: OperatorProcess, team: Team, pod: dict[str, Any], tmp_path: Path
) -> None:
    await operator.stop()
    run = read_container(pod, await referred(platform.cluster, pod), tmp_path / "volumes")
    assert run.account == "ocdp-operator"
    assert run.command == ()
    assert run.environment["POD_NAME"] == pod["metadata"]["name"]
    kubeconfig = await platform.cluster.service_account_kubeconfig(NAMESPACE, run.account)
    surroundings = {
        # In the image kustomize is on PATH; in a Pod the account's token is a file at a place of its own.
        "PATH": f"{platform.cluster.binaries.kustomize.parent}:{os.defpath}",
        "OCDP_KUBECONFIG": str(kubeconfig),
        "TMPDIR": str(run.mounts["/tmp"]),
    }

    process = await PodProcess.start(run, IMAGE, tmp_path, surroundings)
    try:
        await process.ready()
        await team.claim("ide")
        claim = await team.ready("ide")
        assert await process.answers(run.probes["liveness"]), process.tail()
        assert claim["status"]["inventory"]
        assert await process.terminate() == 0, process.tail()
    finally:
        await process.kill()
