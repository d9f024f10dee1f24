"""Git repositories, by commit: the Sources port."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, Self

from ocdp_operator.adapters.confined import Ended
from ocdp_operator.adapters.git.artifacts import ArtifactKey
from ocdp_operator.adapters.git.closure import check_root
from ocdp_operator.adapters.git.credentials import CredentialsFile
from ocdp_operator.adapters.git.failures import dependency, failure
from ocdp_operator.adapters.git.limits import SourceLimits
from ocdp_operator.adapters.git.mirror import COMMIT, Mirror
from ocdp_operator.adapters.git.origins import AllowList, Origin, shown
from ocdp_operator.adapters.git.process import Remote
from ocdp_operator.adapters.git.refs import check_ref, commit_of, patterns
from ocdp_operator.adapters.git.store import Store
from ocdp_operator.errors import Reason, ReconcileError, SettingsError, Stalled, Waiting
from ocdp_operator.model.source import Artifact, PinnedSource

_GRACE: Final = 3.0
"""Seconds that a probe waits for its turn."""
_SLOW: Final = 1.0
"""Seconds after which a request that failed has kept others waiting."""


class GitSources:
    """Fetches by commit into mirrors, exports closures, and keeps both. ``open`` it before use, ``close`` it after.

    A fetch that was begun goes on when its callers leave: the next one finds its result.
    """

    def __init__(
        self,
        work_dir: Path,
        origins: Iterable[Origin],
        *,
        git: Path = Path("git"),
        credentials_file: Path | None = None,
        limits: SourceLimits = SourceLimits(),  # noqa: B008 - frozen
        asked: Callable[[str, str, float], None] = lambda what, result, seconds: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        """``asked(what, result, seconds)`` is told of each request: fetch or list; success or the reason of its failure."""
        self._work_dir = work_dir
        self._allowed = AllowList(origins)
        self._executable = git
        self._credentials = CredentialsFile(credentials_file)
        self._limits = limits
        self._asked = asked
        self._slots = asyncio.Semaphore(limits.processes)
        self._slow: set[str] = set()
        """Repositories whose last request was given up: half of all processes are theirs, so that others find one."""
        self._slow_slots = asyncio.Semaphore(max(1, limits.processes // 2))
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._flights: dict[ArtifactKey, asyncio.Task[Artifact]] = {}
        self._opened: Store | None = None

    async def open(self) -> Self:
        """Takes a directory below the work directory, and sweeps what an earlier process left there.

        Raises SettingsError when git is missing, or the work directory or the credentials file cannot be used.
        """
        self._credentials.check()
        self._opened = Store.open(self._work_dir, self._executable, self._limits)
        return self

    async def close(self) -> None:
        """Ends fetches that are under way, and removes the artifacts; mirrors stay for the next process."""
        store, self._opened = self._opened, None
        if store is None:
            return
        flights = tuple(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        store.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def fetch(self, source: PinnedSource, components: Sequence[str]) -> Artifact:
        """See the port: the closure of the path and the components at the commit."""
        parts = self._allowed.check(source.repository_url)
        if not COMMIT.fullmatch(source.commit):
            raise Stalled(Reason.REF_NOT_FOUND, "A source is pinned by a full commit id of 40 digits.")
        roots = tuple(sorted({source.path, *components}))
        for root in roots:
            check_root(root)
        key = ArtifactKey(source.repository_url, source.commit, roots)
        known = self._store.artifacts.get(key)
        if known is not None:
            return known
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._produce(key, parts), name=f"fetch {source.commit[:12]}")
            self._flights[key] = flight
            flight.add_done_callback(partial(self._landed, key))
        return await asyncio.shield(flight)

    async def probe(self, repository_url: str) -> None:
        """See the port: asks the repository for its HEAD. Takes little more than ``probe_seconds`` in any case."""
        parts = self._allowed.check(repository_url)
        seconds = self._limits.probe_seconds
        try:
            async with asyncio.timeout(seconds + _GRACE):
                await self._list(repository_url, parts, ("HEAD",), seconds=seconds)
        except TimeoutError:  # a fetch from it is under way, and hangs
            what = f"The repository {shown(repository_url)} did not answer in time."
            away = dependency(repository_url)
            raise Waiting(Reason.GIT_OPERATION_FAILED, what, dependency=away) from None

    async def resolve_ref(self, repository_url: str, ref: str) -> str:
        """The commit that a branch, a tag, a full ref name or a commit id names now; of an annotated tag, its commit.

        Raises Stalled(RefNotFound, URLNotAllowed), and Waiting as ``fetch`` does. A commit id is not looked up.
        """
        parts = self._allowed.check(repository_url)
        check_ref(ref)
        if COMMIT.fullmatch(ref):
            return ref
        listed = await self._list(repository_url, parts, patterns(ref), seconds=self._limits.list_seconds)
        commit = commit_of(ref, listed)
        if commit is None:
            what = f"The repository {shown(repository_url)} has no branch or tag {ref!r}."
            raise Stalled(Reason.REF_NOT_FOUND, what)
        return commit

    @property
    def _store(self) -> Store:
        if self._opened is None:
            raise RuntimeError("sources are used before they are opened, or after they are closed")
        return self._opened

    def _landed(self, key: ArtifactKey, flight: asyncio.Task[Artifact]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # seen, also when every caller has left

    async def _produce(self, key: ArtifactKey, parts: Origin) -> Artifact:
        store, url = self._store, key.repository_url
        mirror = store.mirror(url)
        with _own_faults(url):
            async with self._locks[url]:
                if not mirror.has(key.commit):
                    remote = self._remote(url, parts)
                    async with self._slot_for(url):
                        with self._measured("fetch"):
                            await mirror.fetch(remote, key.commit)
                files = await self._export(store, mirror, key)
            return await store.keep(key, files)

    async def _export(self, store: Store, mirror: Mirror, key: ArtifactKey) -> Mapping[str, bytes]:
        try:
            return await store.export(mirror, key)
        except ReconcileError:
            raise
        except Exception as error:  # noqa: BLE001 - GitPython raises whatever a broken object makes it meet
            mirror.discard()
            url = key.repository_url
            what = f"The copy of {shown(url)} was broken ({type(error).__name__}); it is fetched anew."
            raise Waiting(Reason.GIT_OPERATION_FAILED, what, dependency=dependency(url)) from None

    async def _list(self, url: str, parts: Origin, names: Sequence[str], *, seconds: float) -> Ended:
        remote = self._remote(url, parts)
        with _own_faults(url):
            async with self._locks[url], self._slot_for(url):
                with self._measured("list"):
                    listed = await self._store.git.list_remote(remote, *names, seconds=seconds)
                    if not listed.succeeded:
                        raise failure(listed, url, shown(url))
        return listed

    @asynccontextmanager
    async def _slot_for(self, url: str) -> AsyncIterator[None]:
        """A git process's place. Who took time in vain has the half of them alone, with others who did."""
        async with AsyncExitStack() as stack:
            if url in self._slow:
                await stack.enter_async_context(self._slow_slots)
            await stack.enter_async_context(self._slots)
            started = monotonic()
            try:
                yield
            except Waiting:
                if monotonic() - started >= _SLOW:
                    self._slow.add(url)
                raise
            self._slow.discard(url)

    @contextmanager
    def _measured(self, what: str) -> Iterator[None]:
        started, result = monotonic(), "success"
        try:
            yield
        except ReconcileError as error:
            result = error.reason
            raise
        except BaseException:
            result = "cancelled"
            raise
        finally:
            self._asked(what, result, monotonic() - started)

    def _remote(self, url: str, parts: Origin) -> Remote:
        try:
            return Remote(url, parts, self._credentials.find(parts))
        except SettingsError as error:
            raise Waiting(Reason.AUTHENTICATION_FAILED, str(error), dependency=dependency(url)) from None


@contextmanager
def _own_faults(url: str) -> Iterator[None]:
    """A full disk, or no process to be had, as what the cluster operator must see to."""
    try:
        yield
    except OSError as error:
        what = f"The operator could not store or start what it needs for {shown(url)}: {error.strerror}."
        remedy = "Give the operator more room in its work directory, more processes or more open files."
        raise Waiting(Reason.GIT_OPERATION_FAILED, what, remedy=remedy) from None
