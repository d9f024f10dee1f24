"""A real Kubernetes control plane with simulated nodes, for as long as a block runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

import aiohttp

from ocdp_operator.dev.addresses import AddressController
from ocdp_operator.dev.api import ApiError, ApiServer
from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.components import AUDIT_POLICY, Components, Layout
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.keys import bearer_token, last_certificate, signing_key
from ocdp_operator.dev.kubeconfig import Login, write_kubeconfig, write_private
from ocdp_operator.dev.ports import LOOPBACK, free_port
from ocdp_operator.dev.process import Process
from ocdp_operator.dev.seed import seed, settled
from ocdp_operator.dev.simulation import write_stages
from ocdp_operator.dev.state import state_directory

ADMIN: Final = "ocdp-admin"

# Each user of the control plane's own, and its groups. The programs get what RBAC gives them by their names.
_CONTROLLERS: Final = "system:kube-controller-manager"
_SCHEDULER: Final = "system:kube-scheduler"
_KWOK: Final = "ocdp-kwok"
_ADDRESSES: Final = "ocdp-addresses"
_USERS: Final = {
    ADMIN: "system:masters",
    _KWOK: "system:masters",
    _ADDRESSES: "system:masters",
    _CONTROLLERS: "",
    _SCHEDULER: "",
}

_START_SECONDS: Final = 90.0
_START_ATTEMPTS: Final = 3
_STOP_SECONDS: Final = 3.0
_DRAIN_SECONDS: Final = 4.0  # the API server lets open requests finish, watches included


class ControlPlane(Cluster):
    """etcd, API server, controller-manager, scheduler and kwok; the address controller runs in this process."""

    def __init__(self, layout: Layout, binaries: Binaries, port: int, tokens: dict[str, str]) -> None:
        self._layout = layout
        self._components = Components(layout, binaries)
        self._port = port
        self._tokens = tokens
        self._processes: dict[str, Process] = {}
        self._authority = ""  # known once the API server has made its certificate
        super().__init__(layout.kubeconfig(ADMIN), self._login(ADMIN), binaries, layout.directory)

    @classmethod
    @asynccontextmanager
    async def start(
        cls, workdir: Path | None = None, *, binaries: Binaries | None = None
    ) -> AsyncIterator[Self]:
        """A control plane on which Pods can be created; nothing of it is left after the block.

        ``workdir`` is an empty private directory to keep the state in, which then stays; without it a temporary one
        is made. Its processes die with this process, however that ends (on Linux).

        Raises:
            LocalEnvironmentError: a program is missing, or did not start in time.
        """
        located = binaries or await Binaries.locate()
        async with AsyncExitStack() as stack:
            directory = _prepared(workdir) if workdir else stack.enter_context(state_directory("cluster"))
            tokens = {user: bearer_token() for user in _USERS}
            plane = cls(Layout(directory), located, free_port(), tokens)
            stack.push_async_callback(plane._stop_all)
            await plane._start_all()
            await stack.enter_async_context(plane._addresses())
            yield plane

    @property
    def audit_log(self) -> Path:
        """One JSON event a line for every change that anybody asked for (verb, user, objectRef, requestURI)."""
        return self._layout.audit_log

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each program that runs, by its name."""
        return {name: process.pid for name, process in self._processes.items()}

    def api(self) -> ApiServer:
        """JSON requests as the administrator; a context manager."""
        return ApiServer(self._login(ADMIN))

    async def stop_apiserver(self) -> None:
        """Takes the API server away; what it stored stays."""
        await self._stop("kube-apiserver", seconds=_DRAIN_SECONDS)

    async def start_apiserver(self) -> None:
        """Brings the API server back, at the same address.

        Raises:
            LocalEnvironmentError: it did not become ready in time.
        """
        process = await Process.start(self._components.apiserver(self._port))
        self._processes["kube-apiserver"] = process
        await self._until_ready(process)

    async def _start_all(self) -> None:
        self._write_files()
        self._processes["etcd"] = await Process.start(self._components.etcd())
        await self._start_first_apiserver()
        for user in (ADMIN, _KWOK, _CONTROLLERS, _SCHEDULER):
            write_kubeconfig(self._layout.kubeconfig(user), self._login(user))
        stages = write_stages(self.binaries.kwok_stages, self._layout.directory / "stages")
        for command in (
            self._components.controller_manager(_CONTROLLERS),
            self._components.scheduler(_SCHEDULER),
            self._components.kwok(_KWOK, stages),
        ):
            self._processes[command.name] = await Process.start(command)
        async with self.api() as api:
            await seed(api)
            await self._until_settled(api)

    def _write_files(self) -> None:
        layout = self._layout
        write_private(layout.signing_key, signing_key())
        rows = (f'{self._tokens[user]},{user},{user},"{groups}"\n' for user, groups in _USERS.items())
        write_private(layout.tokens, "".join(rows))
        layout.audit_policy.write_text(AUDIT_POLICY)

    async def _start_first_apiserver(self) -> None:
        """Starts it on another port when somebody took the one that was free a moment ago."""
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                await self.start_apiserver()
            except LocalEnvironmentError as error:
                if attempt == _START_ATTEMPTS or "address already in use" not in str(error):
                    raise
                self._port = free_port()
            else:
                break
        self.server = self._login(ADMIN).server

    async def _until_ready(self, process: Process) -> None:
        async def certificate_there() -> bool:
            # It is written while it is looked at.
            file = self._layout.serving_certificate
            return file.exists() and file.read_text().rstrip().endswith("-----END CERTIFICATE-----")

        await process.ready(certificate_there, seconds=_START_SECONDS)
        self._authority = last_certificate(self._layout.serving_certificate.read_text())
        self._layout.authority.write_text(self._authority)
        async with self.api() as api:
            await process.ready(api.ready, seconds=_START_SECONDS)

    async def _until_settled(self, api: ApiServer) -> None:
        async def can_run_pods() -> bool:
            try:
                return await settled(api)
            except (ApiError, aiohttp.ClientError, TimeoutError):
                return False

        await self._processes["kwok"].ready(can_run_pods, seconds=_START_SECONDS)

    @asynccontextmanager
    async def _addresses(self) -> AsyncIterator[None]:
        async with ApiServer(self._login(_ADDRESSES)) as api:
            task = asyncio.create_task(AddressController(api).run(), name="addresses")
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _stop_all(self) -> None:
        """Clients first, so that the API server has nothing left to drain."""
        clients = ("kwok", "kube-scheduler", "kube-controller-manager")
        await asyncio.gather(*(self._stop(name, seconds=_STOP_SECONDS) for name in clients))
        await self._stop("kube-apiserver", seconds=_DRAIN_SECONDS)
        await self._stop("etcd", seconds=_STOP_SECONDS)

    async def _stop(self, name: str, *, seconds: float) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            await process.stop(seconds=seconds)

    def _login(self, user: str) -> Login:
        return Login(f"https://{LOOPBACK}:{self._port}", self._authority, user, self._tokens[user])


def _prepared(workdir: Path) -> Path:
    workdir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return workdir.absolute()
