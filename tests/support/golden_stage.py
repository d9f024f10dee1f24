"""Where each situation of the golden files is made: one workspace, one operator, a claim of its own name for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.support.apps import Files, app_files, claim, deployment, document, template
from tests.support.world import Claim, Team, condition, eventually


@dataclass(frozen=True)
class Stage:
    """One workspace for all of it."""

    team: Team
    postgres: EmbeddedPostgres

    def of(self, template_name: str) -> str:
        """The id of one of the stage's templates."""
        return f"{template_name}-{self.team.namespace}"

    async def submit(self, name: str, template_id: str = "", **spec: Any) -> None:
        """Creates a claim without kubectl's own annotation."""
        team = self.team
        body = claim(name, team.namespace, template_id or team.template_id, team.workspace, **spec)
        await team.platform.kubectl("create", "-f", "-", stdin=yaml.safe_dump(body))

    async def ready(self, name: str, template_id: str = "", **spec: Any) -> None:
        """The same, and waits until it is Ready and was told so."""
        await self.submit(name, template_id, **spec)
        await self.team.ready(name)
        await self.told(name, "HealthCheckSucceeded")

    async def fails(self, name: str, template_id: str = "", reason: str = "", **spec: Any) -> None:
        """Creates a claim that never gets Ready, and waits until it says so."""
        await self.submit(name, template_id, **spec)
        await self.team.until(name, "Ready", "False", reason)

    async def change(self, name: str, **spec: Any) -> None:
        """Edits the claim's spec."""
        patch = yaml.safe_dump({"spec": spec})
        await self.kubectl("patch", "wc", name, "--type=merge", "-p", patch)

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """In the workspace's namespace."""
        return await self.team.platform.kubectl(*arguments, "-n", self.team.namespace, stdin=stdin)

    async def told(self, name: str, reason: str) -> None:
        """Returns when the claim has an event with this reason."""

        async def is_told() -> bool:
            found = await self.team.platform.get("events", "-n", self.team.namespace)
            return any(
                (each["involvedObject"]["name"], each["reason"]) == (name, reason) for each in found["items"]
            )

        await eventually(is_told, f"{name} is told {reason}")

    async def says(self, name: str, words: str) -> Claim:
        """The claim once its Ready says these words."""

        async def are_said() -> Claim | None:
            found = await self.team.get_claim(name)
            return found if words in condition(found, "Ready").get("message", "") else None

        said: Claim = await eventually(are_said, f"{name} says '{words}'")
        return said

    async def pod(self, name: str) -> str:
        """The claim's one pod, once it exists."""

        async def exists() -> str:
            found = await self.team.platform.get(
                "pods", "-n", self.team.namespace, "-l", f"ocdp.io/claim-name={name}"
            )
            names = [
                item["metadata"]["name"]
                for item in found["items"]
                if "deletionTimestamp" not in item["metadata"]
            ]
            return names[0] if len(names) == 1 else ""

        return str(await eventually(exists, f"{name} has its pod"))

    async def refuses(self, body: dict[str, Any], words: str) -> None:
        """Returns when the API server refuses such an object with these words."""

        async def is_refused() -> bool:
            try:
                await self.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(body))
            except LocalEnvironmentError as error:
                return words in str(error)
            return False

        await eventually(is_refused, f"it is refused with '{words}'")


Situation = Callable[[Stage, str], AbstractAsyncContextManager[None]]


class Situations(dict[str, Situation]):
    """By the name of the claim and of the file."""

    def add(self, make: Callable[[Stage, str], AsyncIterator[None]]) -> None:
        """Its name, with dashes, is theirs."""
        self[make.__name__.replace("_", "-")] = asynccontextmanager(make)


async def another(team: Team, name: str, tag: str, files: Files | None = None) -> None:
    """Publishes a revision of another template of the same repository."""
    await team.platform.publish(await revision(team, name, tag, files))


async def revision(
    team: Team, name: str, tag: str, files: Files | None = None, **changes: Any
) -> dict[str, Any]:
    """A revision to be published, of files that are tagged if they are given; its volume is mapped where it has one."""
    if files is not None:
        await team.repository.tag(tag, await team.repository.commit(files, "another"), force=True)
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": tag, "path": "web/base"}
    body = template(f"{name}-{team.namespace}", team.repository_url, source=source, **changes)
    if files is not None and "web/base/volume.yaml" not in files:
        body["mappings"] = [each for each in body["mappings"] if each.get("from") != "values.storageGi"]
    return body


def without_volume() -> Files:
    """The application, its data in no volume."""
    body = deployment()
    pod = body["spec"]["template"]["spec"]
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "data"]
    container = pod["containers"][0]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "data"]
    return app_files(deployment=document(body), volume=b"")


def with_container(**fields: Any) -> Files:
    """The application, with other fields of its container; None takes one away."""
    body = deployment()
    container = body["spec"]["template"]["spec"]["containers"][0]
    body["spec"]["template"]["spec"]["containers"][0] = {
        name: value for name, value in (container | fields).items() if value is not None
    }
    return app_files(deployment=document(body))


def never_scheduled(*, deadline: int) -> Files:
    """The application, its pods for a node that there is not; they have failed after so many seconds."""
    body = deployment()
    body["spec"]["progressDeadlineSeconds"] = deadline
    body["spec"]["template"]["spec"]["nodeSelector"] = {"example.test/nowhere": "true"}
    return app_files(deployment=document(body))
