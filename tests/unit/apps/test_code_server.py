"""code-server: its values reach what they name, and its file turns on only what it says."""

from __future__ import annotations

import pytest
import yaml

from tests.support.app_renderings import (
    APPS_DIRECTORY,
    DOMAIN,
    Build,
    config,
    container,
    named,
    on_base,
    pod,
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
        {"storageGi": 33, "cpu": "4", "memory": "8Gi", "appName": "Team A", "networkPolicy": False},
    )
    volume = named(objects, "PersistentVolumeClaim/")
    assert volume["spec"]["resources"]["requests"]["storage"] == "33Gi"
    assert container(objects)["resources"]["limits"] == {"cpu": "4", "memory": "8Gi"}
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


async def test_the_ingress_has_the_users_host_and_the_claims_service(build: Build):
    objects = await rendered(build, APP, {"exposure": "ingress", "host": f"ide.{DOMAIN}"})
    (rule,) = named(objects, "Ingress/")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert rule["host"] == f"ide.{DOMAIN}"
    assert path["path"] == "/"
    assert path["backend"]["service"]["name"] == "ide-code-server"
    assert named(objects, "Service/")["spec"]["type"] == "ClusterIP"


async def test_it_writes_to_its_home_and_to_tmp(build: Build):
    objects = await build(on_base(APP))
    assert writable(objects) == {"/home/coder", "/tmp"}
    assert pod(objects)["securityContext"]["runAsUser"] == 1000
    assert named(objects, "Deployment/")["spec"]["strategy"] == {"type": "Recreate"}


def test_the_config_file_turns_on_only_what_it_says():
    """code-server takes any boolean for true, and an empty value for an error."""
    settings = yaml.safe_load((APPS_DIRECTORY / APP / "base" / "config.yaml").read_text())
    assert all(value is True or (isinstance(value, str) and value) for value in settings.values())
