"""The real code-server and LiteLLM where ``make programs`` puts them, started as the rendered manifests say."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.podprocess import PodProcess
from ocdp_operator.dev.podspec import ContainerRun, Contents, Referred, contents, read_container
from tests.support import pod_root
from tests.support.app_renderings import APPS_DIRECTORY, Objects, container, named
from tests.support.installs import pod_of
from tests.support.pod_root import Image

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def pinned(app: str) -> str:
    """The version that the base's image has, without a ``v``."""
    base = yaml.safe_load((APPS_DIRECTORY / app / "base" / "kustomization.yaml").read_text())
    return str(base["images"][0]["newTag"]).removeprefix("v")


def installed(app: str) -> Path:
    """The directory of the program, of exactly the version that the base pins."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocdp" / "programs"
    directory = cache / f"{app}-{pinned(app)}"
    if not (directory / "installed").exists():
        pytest.fail(f"{app} {pinned(app)} is not in {cache}: run `make programs`, once.")
    return directory


def code_server() -> Image:
    """As ``ci/release-image/Dockerfile`` of coder/code-server makes it, less fixuid and dumb-init."""
    directory = installed("code-server")
    node = (directory / "node").resolve()
    return Image(
        entry=(
            str(node),
            str(directory / "node_modules" / "code-server" / "out" / "node" / "entry.js"),
            *("--bind-addr", "0.0.0.0:8080", "."),
        ),
        environment={"PATH": _PATH, "HOME": "/home/coder", "USER": "coder", "LANG": "C.UTF-8"},
        account="coder:x:1000:1000::/home/coder:/bin/bash",
        directories=(directory, node.parent),
    )


def litellm() -> Image:
    """As ``docker/Dockerfile.non_root`` of BerriAI/litellm makes it, less the pages of ``/ui`` and Prisma's engines."""
    directory = installed("litellm")
    python = (directory / "bin" / "python").resolve()
    return Image(
        entry=(str(directory / "bin" / "litellm"),),
        environment={
            "PATH": f"{directory / 'bin'}:{_PATH}",
            "HOME": "/app",
            "LANG": "C.UTF-8",
            "LITELLM_NON_ROOT": "true",
        },
        account="nobody:x:65534:65534::/app:/sbin/nologin",
        directories=(directory, python.parents[1]),
    )


def read(objects: Objects, secret: Mapping[str, str], directory: Path) -> ContainerRun:
    """What the Pod of these objects asks for, where the Secret that it names holds ``secret``."""
    (key,) = (
        env["valueFrom"]["secretKeyRef"]
        for env in container(objects)["env"]
        if "secretKeyRef" in env.get("valueFrom", {})
    )
    maps: dict[str, Contents] = {
        body["metadata"]["name"]: contents(body) for body in objects.values() if body["kind"] == "ConfigMap"
    }
    secrets = {key["name"]: {name: value.encode() for name, value in secret.items()}}
    pod = pod_of(named(objects, "Deployment/"))
    return read_container(pod, Referred(maps, secrets), directory / "volumes", mapped=False)


@asynccontextmanager
async def running(image: Image, run: ContainerRun, directory: Path) -> AsyncIterator[PodProcess]:
    """The program; killed with the block if it did not end before. Its port is fixed by the manifest: it must be free."""
    for probe in run.probes.values():
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("0.0.0.0", probe.port))
            except OSError:
                pytest.fail(
                    f"Something listens on port {probe.port}, which the manifest names: end that first."
                )
    process = await pod_root.start(run, image, directory)
    try:
        yield process
    finally:
        await process.kill()


def status_of(process: PodProcess) -> dict[str, str]:
    """What the kernel says of it: ``/proc/PID/status``."""
    lines = Path("/proc", str(process.pid), "status").read_text().splitlines()
    return {name: " ".join(rest.split()) for name, _, rest in (line.partition(":") for line in lines)}


def write_beside(process: PodProcess, path: str) -> None:
    """Writes a file at ``path`` of its root directory, as root of this machine.

    Raises:
        OSError: it can't be written.
    """
    Path("/proc", str(process.pid), "root", path.lstrip("/")).write_text("")
