"""Bad input ends in a clear condition: nothing is written, and the operator stays healthy for everybody else."""

from __future__ import annotations

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitrepository import Symlink
from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, document
from tests.support.world import Team, condition

BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n".encode()
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def with_base(**changes: object) -> dict[str, bytes]:
    """The application's files with keys of its base's kustomization changed."""
    files = app_files()
    base = yaml.safe_load(files["web/base/kustomization.yaml"])
    return {**files, "web/base/kustomization.yaml": document(base | changes)}


BAD_BASES = {
    "a remote base": (with_base(resources=["https://git.example.test/base?ref=main"]), "UnsafeBuild"),
    "an option in a ref": (
        with_base(resources=["https://h/r?ref=--upload-pack=touch /tmp/x"]),
        "UnsafeBuild",
    ),
    "a base outside": (with_base(resources=["../../../etc"]), "UnsafeBuild"),
    "a helm chart": (
        with_base(helmCharts=[{"name": "x", "repo": "https://charts.example.test"}]),
        "UnsafeBuild",
    ),
    "an exec plugin": (with_base(generators=["plugin.yaml"]), "UnsafeBuild"),
    "a symlink": ({**app_files(), "web/base/service.yaml": Symlink("/etc/passwd")}, "UnsafeBuild"),
    "a YAML bomb": ({**app_files(), "web/base/kustomization.yaml": BOMB}, "UnsafeBuild"),
    "a cluster role": (
        app_files(
            service=document(
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRole",
                    "metadata": {"name": "x"},
                }
            )
        ),
        "PolicyDenied",
    ),
}


@pytest.mark.parametrize(("files", "reason"), BAD_BASES.values(), ids=BAD_BASES.keys())
async def test_a_bad_base_is_refused_before_the_first_write(
    new_team, operator: OperatorProcess, files: dict, reason: str
):
    team: Team = await new_team("bad", publish=False)
    await team.record(files)
    await team.platform.bind(team.template_id, team.workspace)
    await team.claim("ide")
    claim = await team.until("ide", "Ready", "False", reason)
    assert condition(claim, "Stalled")["status"] == "True"
    assert claim["status"]["failure"]["actor"] == "Platform"
    assert claim["status"]["failure"]["remedy"]
    assert await team.marked() == set()
    assert await operator.healthy()


async def test_unknown_and_forbidden_templates_read_the_same(team: Team, new_team):
    other: Team = await new_team("other")
    messages = []
    for name, template_id in (("forbidden", other.template_id), ("unknown", "web-nowhere")):
        team.template_id = template_id
        await team.claim(name)
        claim = await team.until(name, "Ready", "False", "TemplateNotAvailable")
        messages.append(claim["status"]["failure"] | {"message": _without(claim, template_id)})
    assert messages[0] == messages[1]
    assert await team.marked() == set()


async def test_a_ref_that_does_not_exist_is_refused_at_publishing(team: Team):
    bad = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": "v999", "path": "web/base"}
    with pytest.raises(LocalEnvironmentError, match="v999"):
        await team.publish(source=bad)


async def test_a_path_that_leaves_the_repository_is_refused_at_publishing(team: Team):
    bad = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": "v1", "path": "../x"}
    with pytest.raises(LocalEnvironmentError, match="path"):
        await team.publish(source=bad)


async def test_a_path_that_does_not_exist_stalls_the_claim(new_team):
    team: Team = await new_team("bad")
    missing = {
        "type": "gitKustomize",
        "repositoryUrl": team.repository_url,
        "ref": "v1",
        "path": "web/nowhere",
    }
    await team.record(source=missing)
    await team.claim("ide")
    await team.until("ide", "Ready", "False", "InvalidPath")


async def test_a_mebibyte_of_values_is_refused(team: Team, operator: OperatorProcess):
    await team.claim("ide", values={"greeting": "x" * 65_000})
    found = await team.until("ide", "Ready", "False", "InvalidValues")
    assert found["status"]["failure"]["valuePath"] == "/spec/values/greeting"
    assert "xxx" not in found["status"]["failure"]["message"]
    body = {"greeting": "x", "more": ["y" * 1000] * 1000}
    created = yaml.safe_dump(
        {
            "apiVersion": "ocdp.io/v1alpha1",
            "kind": "WorkloadClaim",
            "metadata": {"name": "huge", "namespace": team.namespace},
            "spec": {"templateId": team.template_id, "workspaceId": team.workspace, "values": body},
        }
    )
    await team.platform.kubectl("create", "-f", "-", stdin=created)
    await team.until("huge", "Ready", "False", "ValuesTooLarge")
    assert await team.marked() == set()
    assert await operator.healthy()


async def test_wrong_values_are_named_by_their_path(team: Team):
    await team.claim("ide", values={"storageGi": 5000, "unknown": 1, "password": "mine"})
    found = await team.until("ide", "Ready", "False", "InvalidValues")
    message = found["status"]["failure"]["message"]
    assert "storageGi" in message
    assert "password" in message
    assert "mine" not in message
    await team.claim("ide", values={"storageGi": 2})
    await team.ready("ide")


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [({"name": "a" * 31}, "30"), ({"name": "1-starts-with-a-digit"}, "name")],
    ids=["too long", "not a DNS-1035 label"],
)
async def test_a_bad_claim_name_is_refused_by_the_api_server(team: Team, metadata: dict, complaint: str):
    with pytest.raises(LocalEnvironmentError, match=complaint):
        await team.claim(metadata["name"])


async def test_the_template_and_the_workspace_of_a_claim_are_immutable(team: Team):
    await team.claim("ide")
    for field in ("templateId", "workspaceId"):
        with pytest.raises(LocalEnvironmentError, match="cannot be changed"):
            await team.platform.kubectl(
                "patch",
                "wc",
                "ide",
                "-n",
                team.namespace,
                "--type=merge",
                "-p",
                f'{{"spec": {{"{field}": "other"}}}}',
            )


def _without(claim: dict, template_id: str) -> str:
    return claim["status"]["failure"]["message"].replace(template_id, "T")
