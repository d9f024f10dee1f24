"""``ocdp render``, ``ocdp diff`` and ``ocdp explain``: what a claim becomes, before and after it is made.

They read the catalog (a DSN), Git and kustomize (the operator's settings file) and, for a claim that exists, the cluster (a
kubeconfig). Nothing is written anywhere, and no value of a Secret is read, made or printed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ocdp_operator.adapters.cluster import KubeClient, KubeCluster, KubeTrials
from ocdp_operator.adapters.cluster.claims import UserClaims
from ocdp_operator.cli.claims.completion import claim_names
from ocdp_operator.cli.claims.values import read_values
from ocdp_operator.cli.output import USAGE, Dsn, Format, Output, SettingsFile, show_documents, tell
from ocdp_operator.cli.preview_files import read_claims
from ocdp_operator.cli.preview_printing import (
    chosen_fields,
    chosen_object,
    show_changes_of,
    show_fields,
    show_summary,
)
from ocdp_operator.cli.target import Context, Kubeconfig, Namespace, target
from ocdp_operator.errors import OcdpError, SettingsError
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.kinds import PVC, SERVICE, STATEFUL_SET
from ocdp_operator.model.objects import ObjectRef, Observed
from ocdp_operator.model.provenance import Provenance
from ocdp_operator.plan.difference import Change, ObjectChange
from ocdp_operator.plan.policy import Limits
from ocdp_operator.reconcile.comparing import compare
from ocdp_operator.reconcile.preview import Preview, PreviewPorts, PreviewQuestion
from ocdp_operator.reconcile.preview import explain as explained
from ocdp_operator.reconcile.preview import preview as previewed
from ocdp_operator.settings import Settings

_FIXED: Final = (PVC.kind, STATEFUL_SET.kind, SERVICE.kind)
"""Kinds with a class, of storage or of a load balancer, that can never change."""

Claim = Annotated[
    str | None,
    typer.Argument(help="A claim of the cluster.", show_default=False, autocompletion=claim_names),
]
ClaimFile = Annotated[
    typer.FileBinaryRead | None,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="A claim as YAML, in the place of one of the cluster; - reads stdin.",
    ),
]
ClusterId = Annotated[
    str | None,
    typer.Option(
        "--cluster", show_default="the settings' clusterId", help="The cluster's id in the catalog."
    ),
]
Values = Annotated[
    list[typer.FileBinaryRead] | None,
    typer.Option(
        "--values", metavar="FILE", help="YAML with values to try, over those of the claim; repeatable."
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="One value to try: JSON where it is JSON, else text; repeatable."
    ),
]
Revision = Annotated[int | None, typer.Option("--revision", min=1, help="A revision of the template to try.")]


@dataclass(frozen=True, slots=True)
class _Where:
    """Where claims, catalog and sources are."""

    dsn: str
    settings: Path | None
    cluster: str | None
    kubeconfig: str | None
    context: str | None
    namespace: str | None


@dataclass(frozen=True, slots=True)
class _Trial:
    """What is to be other than the claim says."""

    values: tuple[typer.FileBinaryRead, ...] = ()
    sets: tuple[str, ...] = ()
    revision: int | None = None

    def on(self, claim: WorkloadClaim) -> WorkloadClaim:
        """The claim with these values, on this revision."""
        spec = claim.spec
        values = read_values(self.values, self.sets, (), under=spec.values)
        changes: dict[str, Any] = {"values": values}
        if self.revision is not None:
            changes["template_revision"] = self.revision
        return replace(claim, spec=spec.model_copy(update=changes))


def render(
    dsn: Dsn,
    claim: Claim = None,
    file: ClaimFile = None,
    values: Values = None,
    sets: Sets = None,
    revision: Revision = None,
    cluster: ClusterId = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="How to print: yaml or json; objects have no table.")
    ] = Format.YAML,
    settings: SettingsFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Print the objects that the operator would send for a claim, Secrets masked. With -f no cluster is needed."""
    if output is Format.TABLE:
        raise typer.BadParameter("objects have no table: choose yaml or json", param_hint="--output")
    where = _Where(dsn, settings, cluster, kubeconfig, context, namespace)
    trial = _Trial(tuple(values or ()), tuple(sets or ()), revision)
    seen = asyncio.run(_render(where, claim, file, trial))
    documents = [dict(manifest.body) for each in seen for manifest in each.desired.manifests]
    show_documents(documents, output)


def diff(
    dsn: Dsn,
    claim: Claim = None,
    file: ClaimFile = None,
    values: Values = None,
    sets: Sets = None,
    revision: Revision = None,
    cluster: ClusterId = None,
    output: Output = Format.TABLE,
    settings: SettingsFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Show what the next reconcile would change of what lives, and which layer asks for it. Nothing is stored.

    Exit codes, as kubectl diff's: 0 nothing differs, 1 something differs, 2 or more: refused or failed.
    """
    where = _Where(dsn, settings, cluster, kubeconfig, context, namespace)
    trial = _Trial(tuple(values or ()), tuple(sets or ()), revision)
    try:
        changes = asyncio.run(_diff(where, claim, file, trial))
    except OcdpError as error:
        raise typer.Exit(max(USAGE, tell(error))) from None
    show_changes_of(changes, output)
    found = {each.change for each in changes}
    if Change.REFUSED in found:
        raise typer.Exit(USAGE)
    if found - {Change.UNCHANGED}:
        raise typer.Exit(1)


def explain(
    dsn: Dsn,
    claim: Annotated[str, typer.Argument(help="A claim of the cluster.", autocompletion=claim_names)],
    object_: Annotated[
        str | None,
        typer.Argument(metavar="OBJECT", help="One of its objects: deployment/web.", show_default=False),
    ] = None,
    pointer: Annotated[
        str | None,
        typer.Argument(
            metavar="POINTER", help="A field, and those below it: /spec/replicas.", show_default=False
        ),
    ] = None,
    cluster: ClusterId = None,
    output: Output = Format.TABLE,
    settings: SettingsFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Say which layer set each field: base, component, mapping, profile, what is generated, or the platform."""
    where = _Where(dsn, settings, cluster, kubeconfig, context, namespace)
    provenance = asyncio.run(_explain(where, claim))
    if object_ is None:
        show_summary(provenance, output)
        return
    ref = chosen_object(provenance, claim, object_)
    show_fields(ref, chosen_fields(provenance.objects[ref], ref, pointer or ""), output)


async def _render(
    where: _Where, name: str | None, file: typer.FileBinaryRead | None, trial: _Trial
) -> list[Preview]:
    _one_of(name, file)
    async with _ports(where) as (ports, settings):
        if file is not None:
            cluster = where.cluster or settings.cluster_id
            claims = await read_claims(file, where.dsn, cluster, where.namespace)
            return [await _preview(where, ports, settings, trial.on(each), None) for each in claims]
        async with _cluster(where) as (client, namespace):
            claim = WorkloadClaim.parse(await UserClaims(client, namespace).get(name or ""))
            return [await _preview(where, ports, settings, trial.on(claim), client)]


async def _diff(
    where: _Where, name: str | None, file: typer.FileBinaryRead | None, trial: _Trial
) -> list[ObjectChange]:
    _one_of(name, file)
    changes: list[ObjectChange] = []
    async with AsyncExitStack() as stack:
        ports, settings = await stack.enter_async_context(_ports(where))
        client, namespace = await stack.enter_async_context(_cluster(where))
        live = UserClaims(client, namespace)
        if file is not None:
            given = await read_claims(file, where.dsn, where.cluster or settings.cluster_id, namespace)
            claims = [await _over_live(UserClaims(client, each.key.namespace), each) for each in given]
        else:
            claims = [WorkloadClaim.parse(await live.get(name or ""))]
        for each in claims:
            seen = await _preview(where, ports, settings, trial.on(each), client)
            changes += await compare(KubeTrials(client), seen, await explained(ports.renderer, seen))
    return changes


async def _over_live(claims: UserClaims, given: WorkloadClaim) -> WorkloadClaim:
    """The claim as it would be once the file is applied: what lives of it stays, but for what the file says."""
    raw = await claims.find(given.key.name)
    return given if raw is None else replace(WorkloadClaim.parse(raw), spec=given.spec)


async def _explain(where: _Where, name: str) -> Provenance:
    async with _ports(where) as (ports, settings), _cluster(where) as (client, namespace):
        claim = WorkloadClaim.parse(await UserClaims(client, namespace).get(name))
        return await explained(ports.renderer, await _preview(where, ports, settings, claim, client))


async def _preview(
    where: _Where, ports: PreviewPorts, settings: Settings, claim: WorkloadClaim, client: KubeClient | None
) -> Preview:
    limits = Limits(settings.allowed_kinds, settings.allowed_ingress_domains)
    asked = PreviewQuestion(claim, where.cluster or settings.cluster_id)
    live = {} if client is None else await _fixed(client, claim)
    return await previewed(ports, asked, limits, live)


async def _fixed(client: KubeClient, claim: WorkloadClaim) -> dict[ObjectRef, Observed]:
    """The claim's own objects with fields that can never change."""
    cluster = KubeCluster(client)
    live = {}
    for entry in claim.status.recorded:
        if entry.ref.kind in _FIXED and entry.uid:
            seen = await cluster.get(claim.key.namespace, entry.ref)
            if seen is not None and seen.uid == entry.uid:
                live[entry.ref] = seen
    return live


def _cluster(where: _Where) -> AbstractAsyncContextManager[tuple[KubeClient, str]]:
    return target(where.kubeconfig, where.context, where.namespace)


@asynccontextmanager
async def _ports(where: _Where) -> AsyncIterator[tuple[PreviewPorts, Settings]]:
    # Imported here: it loads every adapter, and most commands need few of them.
    from ocdp_operator.composition import preview_parts  # noqa: PLC0415

    settings = Settings.load(where.settings)
    async with preview_parts(settings, where.dsn) as ports:
        yield ports, settings


def _one_of(name: str | None, file: typer.FileBinaryRead | None) -> None:
    if (name is None) is (file is None):
        raise SettingsError("Name a claim of the cluster, or a file with --file: one of both.")
