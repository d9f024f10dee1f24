"""The examples are accepted as they are, agree with each other, and name what apps/ holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.snapshot import APPS, VERSION
from ocdp_operator.model.names import MAX_CLAIM_NAME
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import (
    BindingEntry,
    ClusterEntry,
    TemplateEntry,
    WorkspaceEntry,
    parse_entries,
)
from ocdp_operator.plan.profiles import merge
from ocdp_operator.plan.subschemas import is_secret
from ocdp_operator.plan.values import fill
from tests.support.app_renderings import PLAIN, claimed, profile

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
KINDS = {
    "Cluster": ClusterEntry,
    "Workspace": WorkspaceEntry,
    "AccessBinding": BindingEntry,
    "WorkloadTemplate": TemplateEntry,
    "EnvironmentProfile": EnvironmentProfileEntry,
}
CATALOG = {path.stem: path for path in sorted((EXAMPLES / "catalog").glob("*.yaml"))}
PROFILES = {path.stem: path for path in sorted((EXAMPLES / "profiles").glob("*.yaml"))}
TEMPLATES = {path.stem: path for path in sorted((EXAMPLES / "templates").glob("*.yaml"))}
CLAIMS = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((EXAMPLES / "claims").glob("*.yaml"))
}


def entries(path: Path) -> list[Any]:
    """The documents of a file, as the command that takes them reads them."""
    kinds = {document["kind"] for document in yaml.safe_load_all(path.read_text())}
    assert len(kinds) == 1, "a command takes one kind"
    return list(parse_entries(path.read_bytes(), name=path.name, entry=KINDS[kinds.pop()]))


def entries_of(kind: str) -> list[Any]:
    """Every entry of a kind in the examples."""
    found = [entry for path in (*CATALOG.values(), *TEMPLATES.values()) for entry in entries(path)]
    return [entry for entry in found if entry.kind == kind]


def template(name: str) -> TemplateEntry:
    (entry,) = entries(TEMPLATES[name])
    return entry


RICH = (
    *PLAIN,
    profile(
        Layer.CUSTOMER,
        parameters={"extensionsGallery": "{}", "modelHub": "https://hub.test", "modelHubOffline": "1"},
    ),
)
"""An environment that says all that the templates ask for."""


@pytest.mark.parametrize(
    "path",
    [*CATALOG.values(), *TEMPLATES.values(), *PROFILES.values()],
    ids=[*CATALOG, *TEMPLATES, *(f"profile {name}" for name in PROFILES)],
)
def test_a_file_is_accepted_by_the_command_that_takes_it(path: Path):
    assert entries(path)


def test_every_workspace_is_placed_in_a_cluster_of_the_examples():
    clusters = {cluster.id for cluster in entries_of("Cluster")}
    placed = {place.cluster for workspace in entries_of("Workspace") for place in workspace.placements}
    assert placed
    assert placed <= clusters


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_claim_lies_in_its_workspace_and_may_use_its_template(claim: dict[str, Any]):
    spec, namespace = claim["spec"], claim["metadata"]["namespace"]
    placed = {(w.id, place.namespace) for w in entries_of("Workspace") for place in w.placements}
    bound = {(binding.template, binding.workspace) for binding in entries_of("AccessBinding")}
    assert (spec["workspaceId"], namespace) in placed
    assert (spec["templateId"], spec["workspaceId"]) in bound
    assert len(claim["metadata"]["name"]) <= MAX_CLAIM_NAME


@pytest.mark.parametrize(("name", "claim"), CLAIMS.items(), ids=CLAIMS)
def test_the_values_of_a_claim_fit_its_template(name: str, claim: dict[str, Any]):
    assert claim["metadata"]["name"] == name
    assert fill(claim["spec"]["values"], template(claim["spec"]["templateId"]).values_schema)


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_template_has_a_minimal_claim_and_a_richer_one(name: str):
    required = set(template(name).values_schema.get("required", ()))
    given = [set(c["spec"]["values"]) for c in CLAIMS.values() if c["spec"]["templateId"] == name]
    assert required in given
    assert any(len(values) > len(required) + 2 for values in given)


def test_the_claims_show_every_way_to_an_address_but_the_node_port():
    exposures = {claim["spec"]["values"].get("exposure", "clusterip") for claim in CLAIMS.values()}
    assert exposures == {"clusterip", "loadbalancer", "ingress"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_pinned_to_the_tag_of_its_application(name: str):
    source = template(name).source
    app = source.path.split("/")[1]
    assert source.ref == f"{app}-{VERSION}"
    assert source.path.split("/")[0] == APPS


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_template_names_is_in_the_repository(name: str):
    entry = template(name)
    for path in (entry.source.path, *entry.components):
        assert (ROOT / path / "kustomization.yaml").is_file(), path


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_component_of_an_application_is_offered(name: str):
    entry = template(name)
    components = (ROOT / entry.source.path).parent / "components"
    assert sorted(entry.components) == sorted(
        str(each.parent.relative_to(ROOT)) for each in components.glob("*/kustomization.yaml")
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_value_says_what_it_is(name: str):
    schema = template(name).values_schema
    assert schema["additionalProperties"] is False
    for value, node in schema["properties"].items():
        assert node["title"], value
        assert node["description"].endswith("."), value
        assert "default" not in node or not is_secret(node, schema), value


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_mapping_is_reached_and_left_out_where_it_can_be(name: str):
    """What publishing proves, without building anything: each condition is met and not met by some example."""
    entry = template(name)
    bound = [claimed(name, values, profiles=RICH) for values in entry.examples]
    for index, mapping in enumerate(entry.mappings):
        if mapping.secret is None and mapping.components is None:
            met = {any(each.index == index for each in workload.bound) for workload in bound}
            assert True in met, mapping.source
            assert mapping.when is None or "profile" in mapping.when or False in met, mapping.when
    brought = {component for workload in bound for component in workload.components}
    assert brought == set(entry.components)
    declared = {mapping.secret.key for mapping in entry.mappings if mapping.secret and mapping.secret.key}
    assert declared <= {use.key for workload in bound for use in workload.secrets}


@pytest.mark.parametrize("path", PROFILES.values(), ids=PROFILES)
def test_a_profile_is_of_a_known_place(path: Path):
    (profile_,) = entries(path)
    layer, subject = profile_.subject
    of = {
        "cluster": {cluster.id for cluster in entries_of("Cluster")},
        "customer": {workspace.customer for workspace in entries_of("Workspace")},
        "workspace": {workspace.id for workspace in entries_of("Workspace")},
    }
    assert subject in of[layer]


def test_the_profiles_merge_and_nothing_of_them_is_overruled():
    layers = [entry for path in PROFILES.values() for entry in entries(path)]
    layers.sort(key=lambda entry: entry.subject)
    environment = merge(
        [
            ProfileRevision(ProfileRef(id=entry.id, revision=1), entry.subject[0], entry.body)
            for entry in layers
        ]
    )
    assert len(environment.profiles) == 3
    assert environment.conflicts == ()
    assert len(environment.fields["labels"]) == 3


def test_no_secret_of_the_examples_is_one():
    """Its values say that they are to be replaced; and claims may take what is in it."""
    for path in (EXAMPLES / "secrets").glob("*.yaml"):
        secret = yaml.safe_load(path.read_text())
        assert secret["metadata"]["labels"] == {"ocdp.io/claimable": "true"}
        assert all(value.startswith("put-") for value in secret["stringData"].values())
