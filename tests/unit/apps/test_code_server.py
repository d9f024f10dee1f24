"""code-server: its values reach what they name, and its file turns on only what it says."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ocdp_operator.model.profile import Layer
from ocdp_operator.model.secrets import Alphabet, GenerateRule, SecretReference
from tests.support.app_renderings import (
    APPS_DIRECTORY,
    HOST,
    PLAIN,
    Build,
    Objects,
    claimed,
    config,
    container,
    example_values,
    named,
    on_base,
    pod,
    profile,
    rendered,
    writable,
)

APP = "code-server"


async def test_the_objects_of_a_claim_are_the_expected_ones(build: Build):
    objects = await rendered(build, APP, {})
    assert {name for name in objects if not name.startswith("ConfigMap/")} == {
        "ServiceAccount/ide-code-server",
        "Secret/ide-credentials",
        "PersistentVolumeClaim/ide-code-server-home",
        "Service/ide-code-server",
        "Deployment/ide-code-server",
        "NetworkPolicy/ide-code-server",
    }
    assert named(objects, "ConfigMap/ide-code-server-config-")


async def test_no_password_no_start(build: Build):
    objects = await rendered(build, APP, {})
    (password,) = (env for env in container(objects)["env"] if env["name"] == "PASSWORD")
    assert password["valueFrom"]["secretKeyRef"] == {
        "name": "ide-credentials",
        "key": "PASSWORD",
        "optional": False,
    }


async def test_values_reach_the_objects(build: Build):
    objects = await rendered(
        build,
        APP,
        {"storageGi": 33, "cpu": "6", "memory": "8Gi", "appName": "Team A", "networkPolicy": False},
    )
    volume = named(objects, "PersistentVolumeClaim/")
    assert volume["spec"]["resources"]["requests"]["storage"] == "33Gi"
    assert container(objects)["resources"] == {
        "limits": {"cpu": "6", "memory": "8Gi"},
        "requests": {"cpu": "1500m", "memory": "2Gi"},
    }
    assert config(objects)["app-name"] == "Team A"
    assert config(objects)["auth"] == "password"
    assert not [name for name in objects if name.startswith("NetworkPolicy/")]


async def test_a_changed_setting_gives_the_config_another_name(build: Build):
    plain = await rendered(build, APP, {})
    titled = await rendered(build, APP, {"appName": "Team A"})
    assert plain.keys() != titled.keys()


@pytest.mark.parametrize(
    ("exposure", "type_"),
    [("clusterip", "ClusterIP"), ("nodeport", "NodePort"), ("loadbalancer", "LoadBalancer")],
)
async def test_an_exposure_sets_the_type_of_the_service(build: Build, exposure: str, type_: str):
    objects = await rendered(build, APP, {"exposure": exposure})
    (port,) = named(objects, "Service/")["spec"]["ports"]
    assert named(objects, "Service/")["spec"]["type"] == type_
    assert port == {"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"}


@pytest.mark.parametrize(("exposure", "port"), [("nodeport", 30080), ("loadbalancer", None)])
async def test_a_port_of_the_nodes_is_taken_with_that_exposure_alone(
    build: Build, exposure: str, port: int | None
):
    objects = await rendered(build, APP, {"exposure": exposure, "nodePort": 30080})
    (only,) = named(objects, "Service/")["spec"]["ports"]
    assert only.get("nodePort") == port


async def test_the_ingress_has_a_host_of_the_claim_and_the_claims_service(build: Build):
    objects = await rendered(build, APP, {"exposure": "ingress"})
    (rule,) = named(objects, "Ingress/")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert rule["host"] == HOST
    assert path["path"] == "/"
    assert path["backend"]["service"]["name"] == "ide-code-server"
    assert named(objects, "Service/")["spec"]["type"] == "ClusterIP"


def environment(containers: list[dict[str, Any]]) -> dict[str, str]:
    return {env["name"]: env["value"] for env in containers[0]["env"] if "value" in env}


def test_a_password_is_generated_unless_one_is_named():
    (made,) = claimed(APP, {}).secrets
    assert made.plain is not None
    assert (made.key, made.plain.origin) == ("PASSWORD", GenerateRule(24, Alphabet.ALPHANUMERIC))
    (named_,) = claimed(APP, {"password": {"secretKeyRef": {"name": "mine", "key": "p"}}}).secrets
    assert named_.plain is not None
    assert named_.plain.origin == SecretReference("mine", "p")


SWITCHES = {
    "disableFileDownloads": "disable-file-downloads",
    "disableFileUploads": "disable-file-uploads",
    "disablePortProxy": "disable-proxy",
}


async def test_what_is_switched_off_is_in_the_file_and_nothing_else(build: Build):
    plain = config(await rendered(build, APP, {}))
    off = config(await rendered(build, APP, {**dict.fromkeys(SWITCHES, True), "workspaceTrust": False}))
    assert off == {**plain, **dict.fromkeys((*SWITCHES.values(), "disable-workspace-trust"), True)}


@pytest.mark.parametrize("values", example_values(APP), ids=str)
async def test_no_boolean_is_false_and_no_text_empty(build: Build, values: dict[str, Any]):
    """code-server takes any boolean for true, and an empty value for an error."""
    settings = config(await rendered(build, APP, values))
    assert all(value is True or (isinstance(value, str) and value) for value in settings.values())


async def test_extensions_are_arguments_of_a_container_that_runs_before(build: Build):
    extensions = ["ms-python.python", "redhat.vscode-yaml@1.15.0"]
    objects = await rendered(build, APP, {"extensions": extensions})
    (before,) = pod(objects)["initContainers"]
    assert before["command"] == ["/usr/bin/code-server"]
    assert before["args"] == [f"--install-extension={each}" for each in extensions]
    assert before["image"] == container(objects)["image"]
    assert "initContainers" not in pod(await rendered(build, APP, {}))


async def test_the_component_for_extensions_installs_none_by_itself(build: Build):
    (before,) = pod(await build(on_base(APP, "extensions")))["initContainers"]
    assert before["args"] == ["--list-extensions"]


async def test_git_knows_who_commits(build: Build):
    def identity(objects: Objects) -> dict[str, str]:
        known = environment(pod(objects)["containers"])
        return {name: text for name, text in known.items() if name.startswith("GIT_")}

    values = {"gitUserName": "Ada $(HOME)", "gitUserEmail": "ada@example.test"}
    assert identity(await rendered(build, APP, values)) == {
        "GIT_AUTHOR_NAME": "Ada $$(HOME)",  # the kubelet makes it one $ again, and expands nothing
        "GIT_COMMITTER_NAME": "Ada $$(HOME)",
        "GIT_AUTHOR_EMAIL": "ada@example.test",
        "GIT_COMMITTER_EMAIL": "ada@example.test",
    }
    assert not identity(await rendered(build, APP, {}))


async def test_a_mirror_of_the_gallery_is_the_environments(build: Build):
    gallery = '{"serviceUrl": "https://gallery.example.test"}'
    mirrored = (*PLAIN, profile(Layer.CUSTOMER, parameters={"extensionsGallery": gallery}))
    objects = await rendered(build, APP, {"extensions": ["a.b"]}, profiles=mirrored)
    for containers in (pod(objects)["containers"], pod(objects)["initContainers"]):
        assert environment(containers)["EXTENSIONS_GALLERY"] == gallery
    plain = await rendered(build, APP, {})
    assert "EXTENSIONS_GALLERY" not in environment(pod(plain)["containers"])


async def test_it_writes_to_its_home_and_to_tmp(build: Build):
    objects = await build(on_base(APP))
    assert writable(objects) == {"/home/coder", "/tmp"}
    assert pod(objects)["securityContext"]["runAsUser"] == 1000
    assert named(objects, "Deployment/")["spec"]["strategy"] == {"type": "Recreate"}


def test_the_config_file_turns_on_only_what_it_says():
    """code-server takes any boolean for true, and an empty value for an error."""
    settings = yaml.safe_load((APPS_DIRECTORY / APP / "base" / "config.yaml").read_text())
    assert all(value is True or (isinstance(value, str) and value) for value in settings.values())
