"""``ocdp template publish`` and ``refresh``: a revision is proven, compared with the last one, and only then stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.cli.output import Dsn, Files, SettingsFile, read_entries, show_changes
from ocdp_operator.errors import ReconcileError
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import PinnedTemplate, PublicationError, TemplateEntry, template_faults
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.compatibility import breaking_changes
from ocdp_operator.reconcile.proving import Proof, prove
from ocdp_operator.settings import Settings

if TYPE_CHECKING:
    from ocdp_operator.composition import Publishing

AllowBreaking = Annotated[
    bool,
    typer.Option(
        "--allow-breaking", help="Publish although claims may no longer fit, or mean something else."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Prove everything, say what would be published, store nothing.")
]
Profiles = Annotated[
    list[typer.FileBinaryRead] | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        show_default=False,
        help="Prove in the environment of these profiles, instead of one that has every field.",
    ),
]


@dataclass(frozen=True, slots=True)
class Request:
    """How to publish."""

    dsn: str
    settings: Path | None
    allow_breaking: bool = False
    dry_run: bool = False
    profiles: tuple[ProfileRevision, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """One template, its ref resolved, and what there is to say of it."""

    pinned: PinnedTemplate
    last: int
    """The newest revision that the catalog has; 0: none."""
    proof: Proof | None = None
    """None: the newest revision says the same."""
    breaking: tuple[str, ...] = ()

    def refusals(self, *, allow_breaking: bool) -> list[str]:
        """Why it cannot be published."""
        faults = list(self.proof.faults if self.proof is not None else ())
        if not allow_breaking:
            faults += [f"breaks claims, {each}" for each in self.breaking]
        return [f"template {self.pinned.entry.id}, {fault}" for fault in faults]

    def outlook(self) -> str:
        """What publishing it would do."""
        entry, commit = self.pinned.entry, self.pinned.commit[:12]
        if self.proof is None:
            return f"template {entry.id} unchanged: revision {self.last} already says this"
        return (
            f"template {entry.id} would be published: revision {self.last + 1}, {entry.source.ref} at commit {commit}, "
            f"{self.account(self.proof)}"
        )

    def account(self, proof: Proof) -> str:
        """How it was proven, and what it breaks."""
        broken = f"; breaks: {'; '.join(self.breaking)}" if self.breaking else ""
        return f"{_proven(proof)}{broken}"


def publish(
    files: Files,
    dsn: Dsn,
    settings: SettingsFile = None,
    dry_run: DryRun = False,
    allow_breaking: AllowBreaking = False,
    profile: Profiles = None,
) -> None:
    """Prove templates and publish them: a new revision of each, pinned to the commit that its ref names now."""
    entries = read_entries(files, TemplateEntry)
    profiles = read_entries(profile or (), EnvironmentProfileEntry)
    asyncio.run(
        _publish(entries, Request(dsn, settings, allow_breaking, dry_run, tuple(_environment(profiles))))
    )


def refresh(
    dsn: Dsn,
    templates: Annotated[list[str] | None, typer.Argument(metavar="TEMPLATE...", show_default=False)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every template that is not disabled.")] = False,
    settings: SettingsFile = None,
    dry_run: DryRun = False,
) -> None:
    """Publish a new revision of each template whose ref names another commit now; what the file said stays."""
    if bool(templates) is all_:
        raise typer.BadParameter("Name templates, or say --all.")
    asyncio.run(_refresh(templates or (), Request(dsn, settings, dry_run=dry_run)))


async def _publish(entries: Sequence[TemplateEntry], request: Request) -> None:
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(CatalogRegistry.connect(request.dsn))
        known = {entry.id: entry for entry in await registry.templates()}
        checked = await _checked(entries, known, request)
        if request.dry_run:
            for each in checked:
                typer.echo(each.outlook())
            return
        changes = await registry.apply([each.pinned for each in checked])
    show_changes(changes)
    for each in checked:
        if each.proof is not None:
            typer.echo(f"template {each.pinned.entry.id} {each.account(each.proof)}")


async def _refresh(templates: Sequence[str], request: Request) -> None:
    async with CatalogRegistry.connect(request.dsn) as registry:
        entries = (
            [await registry.template(each) for each in templates]
            if templates
            else [entry for entry in await registry.templates() if not entry.disabled]
        )
    await _publish(entries, request)


async def _checked(
    entries: Sequence[TemplateEntry], known: Mapping[str, TemplateEntry], request: Request
) -> tuple[Checked, ...]:
    """Every template, proven. Raises PublicationError with every refusal of every one."""
    # Imported here: it loads every adapter, and only publishing needs them.
    from ocdp_operator.composition import Publishing  # noqa: PLC0415

    settings = Settings.load(request.settings)
    async with Publishing.built(settings) as parts:
        version = await parts.renderer.version()
        checked = [await _check(entry, known.get(entry.id), parts, request, version) for entry in entries]
    refusals = [each for one in checked for each in one.refusals(allow_breaking=request.allow_breaking)]
    if refusals:
        breaks = any(each.breaking for each in checked) and not request.allow_breaking
        remedy = "Changes that break claims are published with --allow-breaking." if breaks else ""
        raise PublicationError("\n  ".join(["Not published:", *refusals]), remedy=remedy)
    return tuple(checked)


async def _check(
    entry: TemplateEntry,
    last: TemplateEntry | None,
    parts: Publishing,
    request: Request,
    version: str,
) -> Checked:
    try:
        if faults := [str(fault) for fault in template_faults(entry)]:
            return Checked(PinnedTemplate(entry, ""), 0, Proof(tuple(faults), 0, 0, 0))
        commit = await parts.sources.resolve_ref(entry.source.repository_url, entry.source.ref)
        pinned = PinnedTemplate(entry, commit, version)
        revision = last.published.revision if last is not None and last.published is not None else 0
        if last is not None and says_the_same(last, entry, commit):
            return Checked(pinned, revision)
        breaking = breaking_changes(last.values_schema, entry.values_schema) if last is not None else ()
        proof = await prove(parts, entry, commit, limits=parts.limits, profiles=request.profiles)
    except ReconcileError as error:
        message = f"Template {entry.id}, ref {entry.source.ref}: {error.message}"
        raise type(error)(error.reason, message, actor=error.actor, remedy=error.remedy) from None
    return Checked(pinned, revision, proof, breaking)


def says_the_same(last: TemplateEntry, entry: TemplateEntry, commit: str) -> bool:
    """Whether publishing the entry at this commit would make no revision after the last one."""
    return (
        last.published is not None
        and last.pinned(last.published.commit) == entry.pinned(commit)
        and _frozen(last) == _frozen(entry)
    )


def _frozen(entry: TemplateEntry) -> bytes:
    body: dict[str, Any] = entry.body.model_dump(mode="json", by_alias=True)
    return canonical_json(body)


def _environment(profiles: Sequence[EnvironmentProfileEntry]) -> list[ProfileRevision]:
    order = list(Layer)
    found = [
        ProfileRevision(ProfileRef(id=each.id, revision=1), each.subject[0], each.body) for each in profiles
    ]
    return sorted(found, key=lambda each: order.index(each.layer))


def _proven(proof: Proof) -> str:
    left = f", {proof.unproven} more not rendered" if proof.unproven else ""
    return f"proven by {proof.claims} claims and {proof.renderings} renderings{left}"
