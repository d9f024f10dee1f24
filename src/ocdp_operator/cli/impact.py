"""``ocdp template impact`` and ``ocdp profile impact``: what publishing would do to every claim that lives.

They read the catalog (a DSN), Git and kustomize (the operator's settings file) and the cluster (a kubeconfig). Nothing is
written anywhere, and neither a Secret nor a value of a user is printed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Protocol

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.adapters.cluster import KubeClient, KubeTrials
from ocdp_operator.adapters.cluster.claims import RawClaim, UserClaims
from ocdp_operator.cli.impact_candidates import Sources, profile_candidate, template_candidate
from ocdp_operator.cli.impact_printing import progress, show_impact
from ocdp_operator.cli.output import Dsn, Format, Output, SettingsFile
from ocdp_operator.cli.preview import ClusterId
from ocdp_operator.cli.target import Context, Kubeconfig, target
from ocdp_operator.errors import SettingsError, Stalled
from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.impact import ClaimImpact, Impact
from ocdp_operator.plan.candidate import Candidate
from ocdp_operator.plan.impact import refused_impact
from ocdp_operator.plan.policy import Limits
from ocdp_operator.reconcile.impact import ImpactQuestion, impacts
from ocdp_operator.settings import Settings

GRAVE: Final = 4
"""Exit code: some claim would be refused, has values that do not fit, would be made anew, or its data is at risk."""

Template = Annotated[
    str, typer.Argument(metavar="FILE-OR-ID", help="A template's file, or the id of a published one.")
]
Profile = Annotated[
    str, typer.Argument(metavar="FILE-OR-ID", help="A profile's file, or the id of a published one.")
]
Revision = Annotated[
    int | None,
    typer.Option("--revision", min=1, show_default="the newest", help="With an ID: which revision of it."),
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace",
        "-n",
        show_default="all",
        metavar="NAME",
        help="Only claims of this namespace; repeatable.",
    ),
]
Everywhere = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="Claims of every namespace, as without -n.")
]


@dataclass(frozen=True, slots=True)
class _Where:
    """Where claims, catalog and sources are."""

    dsn: str
    settings: Path | None
    cluster: str | None
    kubeconfig: str | None
    context: str | None
    namespaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Live:
    """The claims that live, as far as they can be read."""

    claims: tuple[WorkloadClaim, ...]
    unread: tuple[ClaimImpact, ...]
    others: int


class _Reader(Protocol):
    async def __call__(
        self, registry: CatalogRegistry, sources: Sources, subject: str, revision: int | None
    ) -> tuple[Candidate, str]: ...


def template(
    template: Template,
    dsn: Dsn,
    revision: Revision = None,
    cluster: ClusterId = None,
    output: Output = Format.TABLE,
    settings: SettingsFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespaces = None,
    all_namespaces: Everywhere = False,
) -> None:
    """Say what a template, published or not, would do to each of its live claims. Nothing is stored.

    Exit codes: 0 nothing graver than a restart; 4 some claim would be refused, made anew, or its data is at risk.
    """
    where = _Where(dsn, settings, cluster, kubeconfig, context, _chosen(namespace, all_namespaces))
    _tell(asyncio.run(_impact(where, template_candidate, template, revision)), output)


def profile(
    profile: Profile,
    dsn: Dsn,
    revision: Revision = None,
    cluster: ClusterId = None,
    output: Output = Format.TABLE,
    settings: SettingsFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespaces = None,
    all_namespaces: Everywhere = False,
) -> None:
    """Say what a profile, published or not, would do to each live claim that it is for. Nothing is stored.

    Exit codes: 0 nothing graver than a restart; 4 some claim would be refused, made anew, or its data is at risk.
    """
    where = _Where(dsn, settings, cluster, kubeconfig, context, _chosen(namespace, all_namespaces))
    _tell(asyncio.run(_impact(where, profile_candidate, profile, revision)), output)


def _chosen(namespaces: Sequence[str] | None, everywhere: bool) -> tuple[str, ...]:
    if namespaces and everywhere:
        raise SettingsError("Name namespaces, or say --all-namespaces: one of both.")
    return tuple(dict.fromkeys(namespaces or ()))


def _tell(impact: Impact, output: Format) -> None:
    show_impact(impact, output)
    if impact.grave:
        raise typer.Exit(GRAVE)


async def _impact(where: _Where, read: _Reader, subject: str, revision: int | None) -> Impact:
    # Imported here: it loads every adapter, and most commands need few of them.
    from ocdp_operator.composition import preview_parts  # noqa: PLC0415

    settings = Settings.load(where.settings)
    async with preview_parts(settings, where.dsn) as ports:
        async with CatalogRegistry.connect(where.dsn) as registry:
            candidate, said = await read(registry, ports.sources, subject, revision)
        async with target(where.kubeconfig, where.context, None) as (client, _):
            live = await _live(client, where.namespaces, candidate)
            limits = Limits(settings.allowed_kinds, settings.allowed_ingress_domains)
            asked = ImpactQuestion(candidate, where.cluster or settings.cluster_id, limits)
            with progress(len(live.claims)) as done:
                found = await impacts(ports, KubeTrials(client), asked, live.claims, done=done)
    everything = sorted((*found, *live.unread), key=lambda each: (each.gravity.rank, each.claim))
    return Impact(said, tuple(everything), live.others + len(live.claims) - len(found))


async def _live(client: KubeClient, namespaces: Sequence[str], candidate: Candidate) -> _Live:
    """The claims that the candidate may concern; those that are being deleted are let go."""
    claims: list[WorkloadClaim] = []
    unread: list[ClaimImpact] = []
    others = 0
    for raw in await _raw(client, namespaces):
        if raw["metadata"].get("deletionTimestamp"):
            continue
        if not candidate.concerns(raw["spec"]["templateId"]):
            others += 1
            continue
        try:
            claims.append(WorkloadClaim.parse(raw))
        except Stalled as error:
            key = ClaimKey(raw["metadata"]["namespace"], raw["metadata"]["name"])
            unread.append(refused_impact(key, "", error))
    return _Live(tuple(claims), tuple(unread), others)


async def _raw(client: KubeClient, namespaces: Sequence[str]) -> Iterator[RawClaim]:
    if not namespaces:
        return iter(await UserClaims(client, "default").list(everywhere=True))
    lists = [await UserClaims(client, namespace).list() for namespace in namespaces]
    return (raw for each in lists for raw in each)
