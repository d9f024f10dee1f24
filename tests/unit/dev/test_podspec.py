"""What a Pod asks of a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.podspec import Confinement, ContainerRun, HttpProbe, Referred, contents, read_container

REFERRED = Referred(
    config_maps={"settings": {"settings.yaml": b"a: 1", "other": b"2"}},
    secrets={"catalog": {"dsn": b"postgresql:///tmp/x"}},
)


def pod(*, volumes: tuple[dict[str, Any], ...] = (), **container: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "ide-0", "namespace": "team-a", "labels": {"app": "ide"}},
        "spec": {"containers": [{"name": "main", **container}], "volumes": list(volumes)},
    }


def read(directory: Path, made: dict[str, Any]) -> ContainerRun:
    return read_container(made, REFERRED, directory)


def env(name: str, **source: Any) -> dict[str, Any]:
    return {"name": name, **source}


SETTINGS = {"name": "settings", "configMap": {"name": "settings"}}
TMP = {"name": "tmp", "emptyDir": {}}


def test_a_path_below_a_mount_is_where_the_mount_is(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        pod(
            volumes=(SETTINGS, TMP),
            volumeMounts=[
                {"name": "settings", "mountPath": "/etc/app"},
                {"name": "tmp", "mountPath": "/etc/app/tmp"},
            ],
            args=["--settings=/etc/app/settings.yaml", "/etc/apple", "/etc/app/tmp", "x/etc/app"],
            env=[env("HOME", value="/etc/app/tmp/home")],
        ),
    )

    assert run.arguments == (
        f"--settings={tmp_path}/settings/settings.yaml",
        "/etc/apple",
        f"{tmp_path}/tmp",
        "x/etc/app",
    )
    assert run.environment == {"HOME": f"{tmp_path}/tmp/home"}
    assert (tmp_path / "settings" / "settings.yaml").read_bytes() == b"a: 1"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param(env("A", value="x"), "x", id="plain"),
        pytest.param(env("A", value="$(B)/$(C)/$$(B)"), "b/$(C)/$(B)", id="refers to others"),
        pytest.param(
            env("A", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}), "ide-0", id="the Pod's name"
        ),
        pytest.param(
            env("A", valueFrom={"fieldRef": {"fieldPath": "metadata.labels['app']"}}), "ide", id="a label"
        ),
        pytest.param(env("A", valueFrom={"fieldRef": {"fieldPath": "status.podIP"}}), "", id="not known yet"),
        pytest.param(
            env("A", valueFrom={"secretKeyRef": {"name": "catalog", "key": "dsn"}}),
            "postgresql:///tmp/x",
            id="a secret, untouched",
        ),
        pytest.param(
            env("A", valueFrom={"configMapKeyRef": {"name": "settings", "key": "other"}}),
            "2",
            id="a ConfigMap's key",
        ),
        pytest.param(
            env("A", valueFrom={"secretKeyRef": {"name": "absent", "key": "x", "optional": True}}),
            None,
            id="optional and absent",
        ),
    ],
)
def test_a_variable_is_resolved(variable: dict[str, Any], value: str | None, tmp_path: Path) -> None:
    mount = {"name": "tmp", "mountPath": "/tmp"}
    made = pod(volumes=(TMP,), volumeMounts=[mount], env=[env("B", value="b"), variable])

    assert read(tmp_path, made).environment.get("A") == value


def test_a_whole_config_map_is_variables_with_a_prefix(tmp_path: Path) -> None:
    made = pod(envFrom=[{"prefix": "P_", "configMapRef": {"name": "settings"}}])

    assert read(tmp_path, made).environment == {"P_settings.yaml": "a: 1", "P_other": "2"}


def test_chosen_keys_and_a_sub_path_are_mounted(tmp_path: Path) -> None:
    volume = {
        "name": "v",
        "configMap": {"name": "settings", "items": [{"key": "other", "path": "deep/name"}]},
    }
    made = pod(
        volumes=(volume,),
        volumeMounts=[{"name": "v", "mountPath": "/deep", "subPath": "deep"}],
        args=["/deep/name"],
    )

    (path,) = read(tmp_path, made).arguments
    assert Path(path).read_bytes() == b"2"


def test_paths_stay_for_a_process_that_has_its_mounts_in_place(tmp_path: Path) -> None:
    claim = {"name": "home", "persistentVolumeClaim": {"claimName": "home"}}
    made = pod(
        volumes=(claim,),
        volumeMounts=[{"name": "home", "mountPath": "/home/coder", "subPath": "home"}],
        args=["/home/coder"],
    )
    run = read_container(made, REFERRED, tmp_path, mapped=False)

    assert run.arguments == ("/home/coder",)
    assert run.mounts == {"/home/coder": tmp_path / "home" / "home"}
    assert list(run.mounts["/home/coder"].iterdir()) == []


def test_its_user_is_the_containers_before_the_pods(tmp_path: Path) -> None:
    made = pod(
        volumes=(SETTINGS, TMP),
        volumeMounts=[
            {"name": "settings", "mountPath": "/etc/app/", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        securityContext={"runAsUser": 2, "readOnlyRootFilesystem": True},
    )
    made["spec"]["securityContext"] = {"runAsUser": 1, "runAsGroup": 3, "fsGroup": 4}

    assert read(tmp_path, made).confinement == Confinement(
        user=2, group=3, volume_group=4, read_only_root=True, read_only_mounts=frozenset({"/etc/app"})
    )


def test_an_optional_secret_that_is_absent_is_an_empty_directory(tmp_path: Path) -> None:
    volume = {"name": "git", "secret": {"secretName": "absent", "optional": True}}
    run = read(tmp_path, pod(volumes=(volume,), volumeMounts=[{"name": "git", "mountPath": "/etc/ocdp/git"}]))

    assert list(run.mounts["/etc/ocdp/git"].iterdir()) == []


def test_a_probe_names_its_port(tmp_path: Path) -> None:
    made = pod(
        ports=[{"name": "health", "containerPort": 8080}],
        readinessProbe={"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 5},
        livenessProbe={"httpGet": {"path": "/healthz", "port": 9000}, "failureThreshold": 6},
    )
    probes = read(tmp_path, made).probes

    assert probes == {
        "readiness": HttpProbe("/readyz", 8080, period=5, timeout=1, failures=3),
        "liveness": HttpProbe("/healthz", 9000, period=10, timeout=1, failures=6),
    }
    assert probes["liveness"].patience == 60


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(
            pod(env=[env("A", valueFrom={"secretKeyRef": {"name": "absent", "key": "x"}})]),
            id="no such Secret",
        ),
        pytest.param(
            pod(env=[env("A", valueFrom={"secretKeyRef": {"name": "catalog", "key": "x"}})]), id="no such key"
        ),
        pytest.param(
            pod(env=[env("A", valueFrom={"resourceFieldRef": {"resource": "limits.cpu"}})]), id="a resource"
        ),
        pytest.param(
            pod(
                volumes=({"name": "v", "hostPath": {"path": "/"}},),
                volumeMounts=[{"name": "v", "mountPath": "/v"}],
            ),
            id="another volume type",
        ),
        pytest.param(pod(readinessProbe={"exec": {"command": ["true"]}}), id="a probe that runs a command"),
    ],
)
def test_what_a_process_cannot_be_given_is_refused(made: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(LocalEnvironmentError):
        read(tmp_path, made)


def test_more_than_one_container_is_refused(tmp_path: Path) -> None:
    made = pod()
    made["spec"]["containers"].append({"name": "second"})
    with pytest.raises(LocalEnvironmentError, match="exactly one container"):
        read(tmp_path, made)


def test_contents_are_bytes_however_they_are_kept() -> None:
    assert contents({"kind": "Secret", "data": {"a": "Yg=="}}) == {"a": b"b"}
    assert contents({"kind": "ConfigMap", "data": {"a": "b"}, "binaryData": {"c": "ZA=="}}) == {
        "a": b"b",
        "c": b"d",
    }
