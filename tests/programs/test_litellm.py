"""The real LiteLLM, with the arguments, environment, files, user and root that its rendered Pod holds."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.podprocess import PodProcess
from ocdp_operator.dev.podspec import ContainerRun
from ocdp_operator.dev.waiting import until
from tests.support.answers import Answer, ask, show
from tests.support.app_renderings import APPS_DIRECTORY, Build, claimed, kustomization, rendered
from tests.support.programs import litellm, read, running, status_of, write_beside
from tests.support.stub_upstream import REPLY, Upstream, upstream

APP = "litellm"
MASTER_KEY = "sk-0123456789abcdef0123456789abcdef"
UPSTREAM_KEY = "sk-of-the-upstream-and-of-nobody-else"
URL = "http://127.0.0.1:4000"
SECRET = {"LITELLM_MASTER_KEY": MASTER_KEY}
# 128 and the number of SIGTERM, or that signal itself: it lets the signal end it once it is done.
NORMAL_ENDS = {128 + signal.SIGTERM, -signal.SIGTERM}


def overlay(**settings: Any) -> dict[str, bytes]:
    """A kustomization on the base, as the README shows it: a copy of its file with other settings."""
    base = yaml.safe_load((APPS_DIRECTORY / APP / "base" / "config.yaml").read_text())
    files = kustomization(
        resources=[f"../source/apps/{APP}/base"],
        namespace="gateways",
        configMapGenerator=[{"name": "litellm-config", "behavior": "merge", "files": ["config.yaml"]}],
    )
    return {**files, "config.yaml": yaml.safe_dump(base | settings).encode()}


def served(model: str, address: str, **more: Any) -> list[dict[str, Any]]:
    return [{"model_name": "chat", "litellm_params": {"model": model, "api_base": address, **more}}]


@dataclass(frozen=True)
class Gateway:
    """A running one, and the server behind it."""

    process: PodProcess
    run: ContainerRun
    upstream: Upstream

    async def chat(self, model: str = "chat", key: str | None = MASTER_KEY) -> Answer:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        return await ask("POST", f"{URL}/v1/chat/completions", json=body, headers=headers)


@pytest.fixture
async def gateway(build: Build, tmp_path: Path) -> AsyncIterator[Gateway]:
    """As the README's kustomization gives it a model with a key. Another key of the Secret has the name of a setting."""
    secret = {**SECRET, "MODEL_0_API_KEY": UPSTREAM_KEY, "PORT": "4444"}
    async with upstream() as behind:
        models = served(
            "hosted_vllm/Qwen/Qwen3-0.6B", behind.url, api_key="os.environ/UPSTREAM_MODEL_0_API_KEY"
        )
        run = read(await build(overlay(model_list=models)), secret, tmp_path)
        async with running(litellm(), run, tmp_path) as process:
            await process.ready()
            yield Gateway(process, run, behind)


async def test_the_base_alone_becomes_ready_with_the_secret_of_its_readme(build: Build, tmp_path: Path):
    files = kustomization(resources=[f"../source/apps/{APP}/base"], namespace="my-gateway")
    run = read(await build(files), SECRET, tmp_path)
    async with running(litellm(), run, tmp_path) as process:
        begin = time.monotonic()
        await process.ready()
        show(f"ready after {time.monotonic() - begin:.1f} s")
        models = await ask("GET", f"{URL}/v1/models", headers={"Authorization": f"Bearer {MASTER_KEY}"})
        assert (models.status, models.json()["data"]) == (200, [])


async def test_probes_are_answered_and_confined_as_the_manifest_says(gateway: Gateway):
    assert gateway.run.probes.keys() == {"startup", "liveness", "readiness"}
    for probe in gateway.run.probes.values():
        assert await gateway.process.answers(probe), gateway.process.tail()
    alive = await ask("GET", f"{URL}/health/liveliness")
    assert (alive.status, alive.json()) == (200, "I'm alive!")
    ready = await ask("GET", f"{URL}/health/readiness")
    assert (ready.status, ready.json()["status"]) == (200, "healthy")
    assert not gateway.upstream.asked, "a probe never costs money"

    status = status_of(gateway.process)
    assert (status["Uid"], status["Gid"]) == (" ".join(["65534"] * 4), " ".join(["65534"] * 4))
    assert (status["NoNewPrivs"], status["CapBnd"]) == ("1", "0" * 16)
    with pytest.raises(OSError, match="Read-only file system"):
        write_beside(gateway.process, "/app/x")


async def test_a_chat_is_handed_on_with_the_key_of_the_upstream(gateway: Gateway):
    answer = await gateway.chat()
    assert answer.status == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == REPLY
    (asked,) = gateway.upstream.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.authorization == f"Bearer {UPSTREAM_KEY}"
    assert asked.body["model"] == "Qwen/Qwen3-0.6B"


async def test_nobody_is_served_without_the_master_key(gateway: Gateway):
    assert (await gateway.chat(key=None)).status == 401
    wrong = await gateway.chat(key="sk-wrong")
    assert wrong.status == 400
    assert "No connected db." in wrong.text
    assert (await gateway.chat(model="unknown")).status == 400
    assert not gateway.upstream.asked


async def test_a_call_that_is_under_way_ends_before_it_does(gateway: Gateway):
    gateway.upstream.open.clear()
    call = asyncio.create_task(gateway.chat())

    async def handed_on() -> bool:
        return bool(gateway.upstream.asked)

    await until(handed_on, what="the call to reach the upstream", seconds=30)
    begin = time.monotonic()
    end = asyncio.create_task(gateway.process.terminate())

    async def closed() -> bool:
        return not await gateway.process.answers(gateway.run.probes["readiness"])

    await until(closed, what="it to take no more calls", seconds=30)
    assert not call.done()
    assert not end.done()
    gateway.upstream.open.set()
    assert (await call).status == 200
    assert await end in NORMAL_ENDS, gateway.process.tail()
    took = time.monotonic() - begin
    show(f"SIGTERM: {end.result()} after {took:.2f} s")
    assert took < gateway.run.grace_seconds - 5  # the preStop hook's


async def test_what_the_operator_renders_for_a_claim_runs(build: Build, tmp_path: Path):
    async with upstream() as behind:
        key = {"secretKeyRef": {"name": "keys", "key": "chat"}}
        model = {"name": "chat", "model": "chat", "apiBase": behind.url, "apiKey": key, "rpm": 600}
        values = {"models": [model], "logLevel": "WARNING"}
        _, use = claimed(APP, values).secrets
        run = read(await rendered(build, APP, values), {**SECRET, use.key: UPSTREAM_KEY}, tmp_path)
        async with running(litellm(), run, tmp_path) as process:
            await process.ready()
            answer = await Gateway(process, run, behind).chat()
            assert answer.status == 200, answer.text
            assert [asked.body["model"] for asked in behind.asked] == ["chat"]
            assert [asked.authorization for asked in behind.asked] == [f"Bearer {UPSTREAM_KEY}"]
            assert await process.terminate() in NORMAL_ENDS, process.tail()


async def test_without_a_master_key_it_is_not_started(build: Build, tmp_path: Path):
    with pytest.raises(LocalEnvironmentError, match="no key LITELLM_MASTER_KEY"):
        read(await build(overlay()), {"PORT": "4444"}, tmp_path)


async def test_the_master_key_that_everybody_knows_is_refused(build: Build, tmp_path: Path):
    run = read(await build(overlay()), {"LITELLM_MASTER_KEY": "sk-1234"}, tmp_path)
    async with running(litellm(), run, tmp_path) as process:
        assert await process.ended() != 0, process.tail()
    show(f"sk-1234: {process.tail()}")
