"""``ocdp claim``: workloads as their user asks for them. Needs a kubeconfig, and nothing else.

Exit codes: 0 done; 1 refused, or not ready in time; 2 wrong usage or settings; 3 the API server does not answer.
"""

from __future__ import annotations

import secrets
import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from ocdp_operator.adapters.cluster.claims import UserClaims
from ocdp_operator.cli.claims import account, state
from ocdp_operator.cli.claims.adopting import adopt, retained
from ocdp_operator.cli.claims.approving import approve
from ocdp_operator.cli.claims.command import FIVE_MINUTES, Name, Timeout, Wait, finish, say
from ocdp_operator.cli.claims.command import run as _run
from ocdp_operator.cli.claims.printing import bare, show_claim, show_claims
from ocdp_operator.cli.claims.upgrading import Move, back, move
from ocdp_operator.cli.claims.values import read_values
from ocdp_operator.cli.claims.verdict import Goal, judge, progress, rotated
from ocdp_operator.cli.output import FAILED, Format, Output, show_document
from ocdp_operator.cli.target import Context, Kubeconfig, Namespace
from ocdp_operator.errors import Refused, SettingsError
from ocdp_operator.model.claim import DeletionPolicy, UpgradePolicy, WorkloadClaim
from ocdp_operator.model.kinds import CLAIM
from ocdp_operator.model.names import ROTATE

app = typer.Typer(
    name="claim",
    help="Workloads: ask for one, see how it is, open it, upgrade it, give it back. Needs a kubeconfig.",
    no_args_is_help=True,
)


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(help="At most 30 characters: a-z, 0-9 and -, beginning with a letter.")
    ],
    template: Annotated[str, typer.Option("--template", "-t", help="The template's id.")],
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", show_default="the namespace's", help="The workspace to make it in."),
    ] = None,
    values: Annotated[
        list[typer.FileBinaryRead] | None,
        typer.Option(
            "--values",
            "-f",
            metavar="FILE",
            help="YAML with values; repeatable, later ones win; - reads stdin.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="One value, over the files: JSON where it is JSON (20, true, null, [1]), else text; repeatable.",
        ),
    ] = None,
    set_string: Annotated[
        list[str] | None,
        typer.Option(
            "--set-string",
            metavar="PATH=TEXT",
            help="One value that is text, whatever it looks like; repeatable.",
        ),
    ] = None,
    deletion_policy: Annotated[
        DeletionPolicy | None,
        typer.Option("--deletion-policy", show_default="the template's", help="What stays in the end."),
    ] = None,
    upgrade_policy: Annotated[
        UpgradePolicy | None,
        typer.Option(
            "--upgrade-policy", show_default="the template's", help="Whether it follows new revisions."
        ),
    ] = None,
    revision: Annotated[
        int | None,
        typer.Option(
            "--revision", min=1, show_default="the newest", help="The template's revision to stay on."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Let the API server check it, print it, and make nothing.")
    ] = False,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Ask for a workload, and wait until it is ready."""
    given = read_values(values or (), set_ or (), set_string or ())
    spec = {
        "templateId": template,
        "workspaceId": workspace,
        "values": given,
        "templateRevision": revision,
        "upgradePolicy": upgrade_policy,
        "deletionPolicy": deletion_policy,
    }

    async def make(claims: UserClaims) -> None:
        spec["workspaceId"] = workspace or await _workspace(claims)
        manifest = {
            "apiVersion": CLAIM.api_version,
            "kind": CLAIM.kind,
            "metadata": {"name": name, "namespace": claims.namespace},
            "spec": {key: value for key, value in spec.items() if value is not None},
        }
        made = await claims.create(manifest, dry_run=dry_run)
        if dry_run:
            typer.echo(f"claim {name} would be created", err=True)
            show_document(bare(made), Format.JSON if output is Format.JSON else Format.YAML)
            return
        say(f"claim {name} created", output)
        if wait:
            await finish(claims, name, partial(judge, goal=Goal.READY), timeout, output)

    _run(make, (kubeconfig, context, namespace))


@app.command()
def get(
    name: Name,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Tell everything about one claim: how it is, where it answers, how to read its credentials, what to do."""

    async def tell(claims: UserClaims) -> None:
        raw = await claims.get(name)
        events = await claims.events(raw["metadata"]["uid"]) if output is Format.TABLE else ()
        show_claim(raw, output, events, datetime.now(UTC))

    _run(tell, (kubeconfig, context, namespace))


@app.command("list")
def list_(
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """List claims: the revision that each is to run on, the one that was applied last, and where it answers."""

    async def tell(claims: UserClaims) -> None:
        found = await claims.list(everywhere=everywhere)
        if not found and output is Format.TABLE:
            where = "any namespace" if everywhere else f"namespace {claims.namespace}"
            typer.echo(f"There are no claims in {where}.", err=True)
            return
        show_claims(found, output, datetime.now(UTC), everywhere=everywhere)

    _run(tell, (kubeconfig, context, namespace))


@app.command()
def wait(
    name: Name,
    goal: Annotated[Goal, typer.Option("--for", help="What to wait for.")] = Goal.READY,
    timeout: Timeout = FIVE_MINUTES,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Wait; ends at once, with code 1, when the claim cannot get there until somebody edits something."""

    async def stay(claims: UserClaims) -> None:
        if goal is not Goal.DELETED:
            await claims.get(name)
        later = "wait" if goal is Goal.READY else f"wait --for {goal}"
        await finish(claims, name, partial(judge, goal=goal), timeout, output, later=later)

    _run(stay, (kubeconfig, context, namespace))


@app.command("open")
def open_(
    name: Name,
    print_: Annotated[bool, typer.Option("--print", help="Print the URL, and open no browser.")] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Open the workload in a browser, or say how to reach it."""
    raw = _run(lambda claims: claims.get(name), (kubeconfig, context, namespace))
    claim = WorkloadClaim.parse(raw)
    url = claim.status.url
    if not url:
        typer.echo(f"{name} has no address yet: {progress(raw)}", err=True)
        raise typer.Exit(FAILED)
    if claim.status.endpoints and account.is_internal(claim.status.endpoints[0]):
        command, local = account.port_forward(url)
        typer.echo(
            "It is reached from inside the cluster alone. From here, run this, then open the address:",
            err=True,
        )
        typer.echo(f"{command}\n{local}")
        return
    typer.echo(url)
    if account.ANY_NODE in url:
        typer.echo(f"Put the address of any node in the place of {account.ANY_NODE}.", err=True)
    elif not print_ and not webbrowser.open(url):
        typer.echo("There is no browser here: open the address yourself.", err=True)


@app.command()
def upgrade(
    name: Name,
    to: Annotated[
        int | None,
        typer.Option("--to", min=1, show_default="the newest", help="Another revision; an older one too."),
    ] = None,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Move the claim to another revision of its template, or to the newest environment profiles where those alone are newer."""
    _run(partial(_move, partial(move, to=to), name, wait, timeout, output), (kubeconfig, context, namespace))


@app.command()
def rollback(
    name: Name,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Pin the claim to the last revision that it was healthy on, other than the present one. Its data stays."""
    _run(partial(_move, back, name, wait, timeout, output), (kubeconfig, context, namespace))


async def _move(
    decide: Callable[[WorkloadClaim], Move],
    name: str,
    wait: bool,
    timeout: str,  # noqa: ASYNC109 - an option of a command
    output: Format,
    claims: UserClaims,
) -> None:
    moved = decide(WorkloadClaim.parse(await claims.get(name)))
    if moved.change is not None:
        await claims.change(name, moved.change)
    say(moved.said, output)
    if moved.change is not None and wait:
        await finish(claims, name, partial(judge, goal=Goal.READY), timeout, output)


@app.command()
def rotate(
    name: Name,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", help="This credential alone; repeatable.", show_default="all that are generated"
        ),
    ] = None,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Make generated credentials anew; the pods restart with them."""
    request = secrets.token_hex(8) + ("/" + ",".join(key) if key else "")

    async def ask(claims: UserClaims) -> None:
        if key:
            _check_credentials(WorkloadClaim.parse(await claims.get(name)), key)
        await claims.change(name, {"metadata": {"annotations": {ROTATE: request}}})
        say(
            f"claim {name}: new credentials are asked for ({', '.join(key or ['all that are generated'])})",
            output,
        )
        if wait:
            await finish(claims, name, partial(rotated, request=request), timeout, output, later="get")

    _run(ask, (kubeconfig, context, namespace))


def _check_credentials(claim: WorkloadClaim, keys: list[str]) -> None:
    known = claim.status.credentials_secret_ref
    unknown = sorted(set(keys) - set(known.keys if known else ()))
    if unknown:
        raise Refused(
            f"claim {claim.key.name} has no credential {', '.join(unknown)}.",
            remedy=f"Choose of {', '.join(known.keys)}."
            if known
            else "It has no credentials of its own yet.",
        )


app.command()(approve)
app.command()(adopt)
app.command()(retained)


@app.command()
def delete(
    name: Name,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Give the workload back; says what stays, and what the deletion waits for."""

    async def remove(claims: UserClaims) -> None:
        claim = WorkloadClaim.parse(await claims.get(name))
        await claims.delete(name)
        policy, objects = account.kept(claim)
        stays = f"stays: {', '.join(objects)}" if objects else "nothing stays"
        typer.echo(f"claim {name} is being deleted; {stays} ({policy})")
        if wait:
            gone = partial(judge, goal=Goal.DELETED)
            await finish(claims, name, gone, timeout, Format.TABLE, later="wait --for deleted")

    _run(remove, (kubeconfig, context, namespace))


state.register(app)


async def _workspace(claims: UserClaims) -> str:
    workspace = await claims.workspace()
    if not workspace:
        raise SettingsError(
            f"The namespace {claims.namespace} does not say which workspace it is, or you may not look.",
            remedy="Name the workspace with --workspace, or another namespace with --namespace.",
        )
    return workspace
