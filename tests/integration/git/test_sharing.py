"""Many claims, one fetch: single flight, few processes, and nobody delays anybody for long."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from ocdp_operator.adapters.git import SourceLimits
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.errors import Waiting
from tests.integration.git.conftest import BASE, MakeSources, Recorder, hang, listening, pinned
from tests.support.cluster_worlds import until

GUARDED = "web/components/guarded"


async def test_concurrent_fetches_of_one_commit_are_one_git_process(
    make_sources: MakeSources, server: GitServer, commit: str, recorder: Recorder
):
    sources = await make_sources(git=recorder.path)
    found = await asyncio.gather(
        *(sources.fetch(pinned(server, commit), []) for _ in range(10)),
        *(sources.fetch(pinned(server, commit), [GUARDED]) for _ in range(10)),
    )
    assert len({id(artifact) for artifact in found}) == 2
    assert len(recorder.calls("fetch")) == 1


async def test_a_caller_that_leaves_does_not_end_the_fetch(
    make_sources: MakeSources, server: GitServer, commit: str, recorder: Recorder
):
    sources = await make_sources(git=recorder.path)
    leaving = asyncio.create_task(sources.fetch(pinned(server, commit), []))
    staying = asyncio.create_task(sources.fetch(pinned(server, commit), []))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (await staying).commit == commit
    assert len(recorder.calls("fetch")) == 1


async def test_a_fetch_whose_callers_all_left_is_found_by_the_next(
    make_sources: MakeSources, server: GitServer, commit: str, recorder: Recorder
):
    sources = await make_sources(git=recorder.path)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.001):
            await sources.fetch(pinned(server, commit), [])
    assert (await sources.fetch(pinned(server, commit), [])).commit == commit
    assert len(recorder.calls("fetch")) == 1


async def test_a_hung_repository_does_not_delay_another(
    make_sources: MakeSources, server: GitServer, commit: str
):
    async with listening(hang) as hung:
        sources = await make_sources(hung.origin, limits=SourceLimits(fetch_seconds=60))
        stuck = [asyncio.create_task(sources.fetch(pinned(hung, f"{n}" * 40), [])) for n in range(1, 7)]
        await hung.connected.wait()
        began = time.monotonic()
        assert (await sources.fetch(pinned(server, commit), [])).commit == commit
        assert time.monotonic() - began < 30
        assert len(hung.heard) == 1, "one process for the repository, however many commits are wanted"
        await sources.close()
        results = await asyncio.gather(*stuck, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def test_a_probe_does_not_wait_for_a_fetch_that_hangs(make_sources: MakeSources):
    async with listening(hang) as hung:
        sources = await make_sources(hung.origin, limits=SourceLimits(fetch_seconds=60, probe_seconds=0.5))
        fetching = asyncio.create_task(sources.fetch(pinned(hung, "1" * 40), []))
        await hung.connected.wait()
        began = time.monotonic()
        with pytest.raises(Waiting):
            await sources.probe(hung.url())
        assert time.monotonic() - began < 30
        assert len(hung.heard) == 1
        fetching.cancel()


async def test_no_more_than_four_gits_run_at_once(make_sources: MakeSources, recorder: Recorder):
    async with listening(hang) as hung:
        sources = await make_sources(hung.origin, git=recorder.path, limits=SourceLimits(list_seconds=60))
        urls = [f"{hung.origin}/r{number}.git" for number in range(8)]
        asking = [asyncio.create_task(sources.resolve_ref(url, "main")) for url in urls]
        # A fifth would have been started with the four, which have come as far as to their server.
        await until(lambda: len(hung.heard) >= 4, "four gits are connected")
        assert len(recorder.calls("ls-remote")) == len(hung.heard) == 4
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_a_failed_fetch_is_told_to_all_and_tried_again_by_the_next(
    make_sources: MakeSources, server: GitServer, commit: str
):
    sources = await make_sources()
    await server.stop()
    results = await asyncio.gather(
        *(sources.fetch(pinned(server, commit, BASE), []) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, Waiting) for result in results)
    await server.restart()
    assert (await sources.fetch(pinned(server, commit), [])).commit == commit
