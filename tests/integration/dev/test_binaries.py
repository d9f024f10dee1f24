"""Looking programs up, and building them with a Go that only pretends to."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path

import pytest

from ocdp_operator.dev.binaries import Binaries, cache_directory
from ocdp_operator.dev.envtest import PROGRAMS
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gobuild import find_go
from ocdp_operator.dev.recipes import KWOK_STAGES, RECIPES
from ocdp_operator.dev.waiting import until
from tests.support.archives import archive, packed, programs, served

# Writes a program that prints its version; notes each build; holds a build back while the file `hold-<name>` is there.
GO = r"""#!/bin/sh
here=$(dirname "$0")
case "$1" in
  env) echo "${PRETENDED_GO:-go1.26.8}"; exit ;;
  mod)
    [ ! -e "$here/absent" ] || { echo '{"Error": "unknown revision"}'; exit 1; }
    mkdir -p "$here/module/kustomize/stage/pod/fast"
    echo "kind: Stage" > "$here/module/kustomize/stage/pod/fast/pod-ready.yaml"
    echo "kind: Kustomization" > "$here/module/kustomize/stage/pod/fast/kustomization.yaml"
    printf 'replace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n' > "$here/module/go.mod"
    echo "go: downloading" >&2
    echo "{\"GoMod\": \"$here/module/go.mod\", \"Dir\": \"$here/module\"}" ; exit ;;
esac
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
name=$(basename "$out")
echo "$name" >> "$here/built"
cat go.mod >> "$here/modules"
while [ -e "$here/hold-$name" ]; do sleep 0.05; done
version=$(sed -n 's/^require .* v//p' go.mod)
[ -e "$here/wrong-$name" ] && version=9.9.9
printf '#!/bin/sh\necho v%s\n' "$version" > "$out"
chmod +x "$out"
[ ! -e "$here/broken-$name" ] || { echo "no such module" >&2; exit 1; }
"""

LOCATE = "import asyncio; from ocdp_operator.dev.binaries import Binaries; asyncio.run(Binaries.locate())"


def program(path: Path, version: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho version {version}\n")
    path.chmod(0o755)


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a pretended Go and the tools it needs, alone on the PATH, with an empty cache."""
    directory = tmp_path / "go"
    directory.mkdir()
    (directory / "go").write_text(GO)
    (directory / "go").chmod(0o755)
    for tool in ("basename", "cat", "chmod", "dirname", "mkdir", "sed", "sleep"):
        (directory / tool).symlink_to(shutil.which(tool) or "")
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.delenv("PRETENDED_GO", raising=False)
    monkeypatch.setenv("OCDP_ENVTEST_URL", "off")
    return directory


def built(go: Path) -> list[str]:
    notes = go / "built"
    return notes.read_text().split() if notes.exists() else []


NAMES = [recipe.name for recipe in RECIPES]


async def test_what_no_place_has_is_built_and_cached(go: Path) -> None:
    lines: list[str] = []

    found = await Binaries.locate(lines.append)
    again = await Binaries.locate(lines.append)

    assert built(go) == NAMES
    assert found == again
    assert found.kube_apiserver == cache_directory() / "kube-apiserver"
    assert [file.name for file in found.kwok_stages.iterdir()] == ["pod-ready.yaml"]
    assert len(lines) == 2 * len(NAMES)
    assert sorted(path.name for path in cache_directory().iterdir()) == sorted([*NAMES, KWOK_STAGES, ".lock"])


async def test_staging_modules_of_kubernetes_are_replaced_by_their_versions(go: Path) -> None:
    await Binaries.locate(lambda _: None)

    assert "replace k8s.io/api => k8s.io/api v0.36.3" in (go / "modules").read_text()


async def test_assets_come_first_and_only_what_they_lack_is_built(
    go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "assets" / "kube-apiserver", "1.36.0")
    program(tmp_path / "assets" / "etcd", "3.5.0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    lines: list[str] = []

    found = await Binaries.locate(lines.append)

    assert found.kube_apiserver == tmp_path / "assets" / "kube-apiserver"
    assert found.etcd == cache_directory() / "etcd"
    assert "kube-apiserver" not in built(go)
    assert any("etcd in KUBEBUILDER_ASSETS is v3.5.0, and v3.6 is needed" in line for line in lines)


async def test_the_envtest_archive_comes_before_building_and_only_what_it_lacks_is_built(
    go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed(programs())
    lines: list[str] = []
    async with served(lambda _: content) as url:
        monkeypatch.setenv("OCDP_ENVTEST_URL", url)
        monkeypatch.setenv("OCDP_ENVTEST_SHA512", archive(url, content).sha512)
        found = await Binaries.locate(lines.append)
    again = await Binaries.locate(lines.append)

    assert built(go) == [name for name in NAMES if name not in PROGRAMS]
    assert found == again
    assert found.kube_apiserver.parent == found.etcd.parent == found.kubectl.parent
    assert found.kube_apiserver.parent.name.startswith("envtest-")
    assert found.kube_scheduler == cache_directory() / "kube-scheduler"
    assert sum("envtest" in line for line in lines) == 1


async def test_a_wrong_archive_is_refused_and_everything_is_built(
    go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    async with served(lambda _: packed(programs())) as url:
        monkeypatch.setenv("OCDP_ENVTEST_URL", url)
        monkeypatch.setenv("OCDP_ENVTEST_SHA512", "0" * 128)
        await Binaries.locate(lines.append)

    assert built(go) == NAMES
    assert lines[0].startswith("WARNING: ")


async def test_a_module_that_cannot_be_had_is_told_with_what_go_printed(go: Path) -> None:
    (go / "absent").touch()

    with pytest.raises(LocalEnvironmentError, match="unknown revision"):
        await Binaries.locate(lambda _: None)


@pytest.mark.parametrize(("version", "serves"), [("1.35.2", True), ("1.32.4", False)])
async def test_kubectl_from_the_path_serves_within_one_minor(go: Path, version: str, serves: bool) -> None:
    program(go / "kubectl", version)
    lines: list[str] = []

    found = await Binaries.locate(lines.append)

    assert (found.kubectl == go / "kubectl") is serves
    assert ("kubectl" in built(go)) is not serves
    assert (
        any(f"kubectl in PATH is v{version}, and v1.35 to v1.37 is needed" in line for line in lines)
        is not serves
    )


async def test_two_processes_at_once_build_once(go: Path) -> None:
    (go / "hold-etcd").touch()
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", LOCATE, stderr=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]

    async def building() -> bool:
        return "etcd" in built(go)

    await until(building, what="a build of etcd", seconds=90)
    (go / "hold-etcd").unlink()
    errors = [(await process.communicate())[1].decode() for process in processes]

    assert [process.returncode for process in processes] == [0, 0], errors
    assert built(go) == NAMES


async def test_a_build_that_was_killed_goes_on_where_it_was(go: Path) -> None:
    (go / "hold-kwok").touch()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOCATE, stderr=asyncio.subprocess.PIPE
    )

    async def building() -> bool:
        return "kwok" in built(go)

    await until(building, what="a build of kwok", seconds=90)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    (go / "hold-kwok").unlink()
    (go / "built").unlink()

    await Binaries.locate(lambda _: None)

    assert built(go) == NAMES[NAMES.index("kwok") :]
    assert not list(cache_directory().glob(".build-*"))


async def test_a_damaged_program_in_the_cache_is_built_again(go: Path) -> None:
    found = await Binaries.locate(lambda _: None)
    found.etcd.write_bytes(b"\0")
    (go / "built").unlink()

    await Binaries.locate(lambda _: None)

    assert built(go) == ["etcd"]


async def test_a_failed_build_tells_what_go_wrote_and_what_to_do(go: Path) -> None:
    (go / "broken-etcd").touch()

    with pytest.raises(LocalEnvironmentError, match=r"(?s)no such module.*GOPROXY.*KUBEBUILDER_ASSETS"):
        await Binaries.locate(lambda _: None)

    assert not (cache_directory() / "etcd").exists()
    assert (cache_directory() / "kustomize").exists()


async def test_a_built_program_of_the_wrong_version_is_refused(go: Path) -> None:
    (go / "wrong-etcd").touch()

    with pytest.raises(LocalEnvironmentError, match=r"etcd in the cache is v9\.9\.9"):
        await Binaries.locate(lambda _: None)


async def test_an_old_go_gives_way_to_the_wheel(go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRETENDED_GO", "go1.21.0")

    found = await find_go()

    assert found.executable != go / "go"
    assert Path(found.environment["GOROOT"]) == found.executable.parent.parent


async def test_settings_of_a_persons_go_do_not_reach_the_build(
    go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"GOFLAGS": "-race", "CGO_ENABLED": "1", "GOOS": "plan9", "GOPROXY": "off"}.items():
        monkeypatch.setenv(name, value)

    environment = (await find_go()).environment

    assert environment["CGO_ENABLED"] == "0"
    assert "race" not in environment["GOFLAGS"]
    assert "GOOS" not in environment
    assert environment["GOPROXY"] == "off"
