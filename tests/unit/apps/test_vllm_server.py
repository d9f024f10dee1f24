"""vllm-server: its file holds flags that the pinned version knows; GPUs, or the CPU alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.model.names import COMPONENT
from ocdp_operator.model.profile import Layer
from ocdp_operator.model.secrets import Alphabet, GenerateRule
from ocdp_operator.plan.replicas import MODEL_SERVER
from tests.support.app_renderings import (
    APPS_DIRECTORY,
    HOST,
    PLAIN,
    ROOT,
    Build,
    Objects,
    claimed,
    config,
    container,
    example_template,
    example_values,
    named,
    on_base,
    pod,
    profile,
    rendered,
    writable,
)
from tests.support.installs import render

APP = "vllm-server"
FLAGS = {
    line
    for line in (Path(__file__).parent / "vllm-flags.txt").read_text().splitlines()
    if line and not line.startswith("#")
}
ELSEWHERE = {"api-key", "hf-token", "host", "config"}
"""Keys are in the environment, where `ps` does not show them; it listens everywhere as it is."""
CODE = {
    "trust-remote-code",
    "middleware",
    "logits-processors",
    "io-processor-plugin",
    "reasoning-parser-plugin",
    "tool-parser-plugin",
}
"""They load Python, from the model's repository or by a name."""
OURS = FLAGS - ELSEWHERE - CODE
OVERLAYS = sorted((ROOT / "tests" / "kustomize").glob(f"{APP}-*"))


def flags(objects: Objects) -> set[str]:
    """Of the file. A boolean flag can be turned off by its name with ``no-``."""
    return {key.removeprefix("no-") for key in config(objects)}


@pytest.mark.parametrize("components", [(), ("cpu-only",)])
async def test_the_file_holds_flags_of_the_pinned_version(build: Build, components: tuple[str, ...]):
    objects = await build(on_base(APP, *components))
    assert flags(objects) <= OURS
    assert {"model", "tensor-parallel-size", "shutdown-timeout"} <= config(objects).keys()


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
async def test_so_does_the_file_of_every_overlay(kustomize: Path, overlay: Path):
    objects = {f"{body['kind']}/": body for body in await render(kustomize, overlay)}
    assert {"model", "shutdown-timeout"} <= flags(objects) <= OURS


def test_the_list_of_flags_is_whole():
    assert len(FLAGS) > 300
    assert FLAGS > ELSEWHERE | CODE
    assert not FLAGS & {"swap-space", "device"}  # older versions had them


def test_the_flags_are_those_of_the_version_in_the_base():
    first, *_ = (Path(__file__).parent / "vllm-flags.txt").read_text().splitlines()
    base = (APPS_DIRECTORY / APP / "base" / "kustomization.yaml").read_text()
    assert "newTag: v0.33.0" in base
    assert "`vllm serve` 0.33.0:" in first


def test_a_value_reaches_only_flags_of_the_pinned_version():
    targets = [mapping.config_file for mapping in example_template(APP).mappings if mapping.config_file]
    assert {target.pointer.removeprefix("/").removeprefix("no-") for target in targets} <= OURS


@pytest.mark.parametrize("values", example_values(APP), ids=str)
async def test_nothing_is_turned_off_by_false(build: Build, values: dict[str, Any]):
    """vLLM drops a false from its file and says nothing; then what is on by itself stays on."""
    settings = config(await rendered(build, APP, values))
    assert False not in settings.values()


async def test_the_file_is_named_in_two_words(build: Build):
    """``--config=FILE`` is taken for no file, and a default model is started."""
    assert container(await build(on_base(APP)))["args"] == ["--config", "/etc/vllm/config.yaml"]


async def test_it_may_end_its_requests_before_it_is_killed(build: Build):
    objects = await build(on_base(APP))
    assert pod(objects)["terminationGracePeriodSeconds"] >= config(objects)["shutdown-timeout"] + 30


async def test_a_gpu_is_a_limit_and_the_rest_is_reserved(build: Build):
    objects = await rendered(build, APP, {"gpuCount": 4, "cpu": "8", "memory": "64Gi"})
    assert container(objects)["resources"] == {
        "requests": {"cpu": "8", "memory": "64Gi"},
        "limits": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": 4},
    }
    assert config(objects)["tensor-parallel-size"] == 4


@pytest.mark.parametrize(("gpus", "shared"), [(1, "2Gi"), (2, "8Gi"), (4, "12Gi"), (8, "20Gi")])
async def test_more_gpus_share_more_memory(build: Build, gpus: int, shared: str):
    objects = await rendered(build, APP, {"gpuCount": gpus})
    volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": shared}


async def test_one_gpu_is_held_by_one_pod(build: Build):
    assert named(await build(on_base(APP)), "Deployment/")["spec"]["strategy"] == {"type": "Recreate"}


async def test_without_gpus_it_takes_another_image_and_no_gpu(build: Build):
    objects = await rendered(build, APP, {"accelerator": "cpu", "gpuCount": 4})
    assert container(objects)["image"] == "vllm/vllm-openai-cpu:v0.33.0-x86_64"
    assert pod(objects)["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert container(objects)["resources"]["limits"].keys() == {"cpu", "memory"}
    assert config(objects)["dtype"] == "bfloat16"
    assert config(objects)["tensor-parallel-size"] == 1
    assert "gpu-memory-utilization" not in config(objects)


async def test_a_cpu_takes_the_number_format_that_is_asked_for(build: Build):
    objects = await rendered(build, APP, {"accelerator": "cpu", "dtype": "float32"})
    assert config(objects)["dtype"] == "float32"


async def test_values_reach_the_file(build: Build):
    values = {
        "model": "Qwen/Qwen3-8B",
        "servedModelName": "chat",
        "maxModelLen": 8192,
        "maxNumSeqs": 64,
        "revision": "main",
        "enforceEager": True,
        "enablePrefixCaching": False,
        "toolCallParser": "hermes",
        "reasoningParser": "qwen3",
    }
    settings = config(await rendered(build, APP, values))
    assert settings["model"] == "Qwen/Qwen3-8B"
    assert settings["served-model-name"] == "chat"
    assert settings["max-model-len"] == 8192
    assert settings["max-num-seqs"] == 64
    assert settings["revision"] == "main"
    assert settings["enforce-eager"] is True
    assert settings["no-enable-prefix-caching"] is True
    assert (settings["tool-call-parser"], settings["enable-auto-tool-choice"]) == ("hermes", True)
    assert settings["reasoning-parser"] == "qwen3"
    assert settings["gpu-memory-utilization"] == 0.9
    assert "quantization" not in settings


async def test_what_is_not_said_is_not_in_the_file(build: Build):
    assert config(await rendered(build, APP, {})).keys() == {
        "model",
        "dtype",
        "gpu-memory-utilization",
        "tensor-parallel-size",
        "port",
        "shutdown-timeout",
    }


async def test_it_says_that_it_loads_a_model(build: Build):
    objects = await rendered(build, APP, {})
    assert named(objects, "Deployment")["metadata"]["labels"][COMPONENT] == MODEL_SERVER
    assert container(objects)["startupProbe"]


async def test_a_large_model_is_given_time_to_start(build: Build):
    objects = await rendered(build, APP, {"startupMinutes": 90})
    probe = container(objects)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 90 * 60
    assert named(objects, "Deployment/")["spec"]["progressDeadlineSeconds"] == 90 * 60 + 300


async def test_a_mirror_of_the_hub_is_the_environments(build: Build):
    mirror = {"modelHub": "https://hub.example.test", "modelHubOffline": "1"}
    objects = await rendered(build, APP, {}, profiles=(*PLAIN, profile(Layer.CUSTOMER, parameters=mirror)))
    environment = {env["name"]: env.get("value") for env in container(objects)["env"]}
    assert (environment["HF_ENDPOINT"], environment["HF_HUB_OFFLINE"]) == (mirror["modelHub"], "1")
    plain = {env["name"] for env in container(await rendered(build, APP, {}))["env"]}
    assert not plain & {"HF_ENDPOINT", "HF_HUB_OFFLINE"}


def test_the_key_is_generated_and_the_token_is_the_users_or_nobodys():
    (key,) = claimed(APP, {}).secrets
    assert key.plain is not None
    assert (key.key, key.plain.origin) == ("VLLM_API_KEY", GenerateRule(48, Alphabet.HEX, "sk-"))
    token = {"secretKeyRef": {"name": "hub", "key": "token"}}
    assert [use.key for use in claimed(APP, {"hfToken": token}).secrets] == ["VLLM_API_KEY", "HF_TOKEN"]


async def test_a_host_name_exposes_what_the_key_guards_and_no_more(build: Build):
    objects = await rendered(build, APP, {"exposure": "ingress"})
    (rule,) = named(objects, "Ingress/")["spec"]["rules"]
    assert rule["host"] == HOST
    assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [("/v1", "Prefix")]


async def test_only_the_one_port_is_open_to_other_pods(build: Build):
    policy = named(await rendered(build, APP, {}), "NetworkPolicy/")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": "http"}]}]


async def test_it_has_the_key_and_not_always_a_token_of_the_hub(build: Build):
    objects = await rendered(build, APP, {})
    secrets = {
        env["name"]: env["valueFrom"]["secretKeyRef"]["optional"]
        for env in container(objects)["env"]
        if "valueFrom" in env
    }
    assert secrets == {"VLLM_API_KEY": False, "HF_TOKEN": True}


async def test_every_cache_is_writable_and_weights_are_kept(build: Build):
    objects = await build(on_base(APP))
    mounts = {mount["mountPath"]: mount["name"] for mount in container(objects)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}
    kept = {path for path, name in mounts.items() if "persistentVolumeClaim" in volumes[name]}
    assert kept == {"/home/vllm/.cache/huggingface", "/home/vllm/.cache/vllm"}
    assert writable(objects) == kept | {"/home/vllm", "/home/vllm/.cache", "/tmp", "/dev/shm"}
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
