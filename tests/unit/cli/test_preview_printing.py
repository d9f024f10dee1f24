"""What previews print: the object that was meant, its fields, and what would change."""

from __future__ import annotations

import json

import pytest
import yaml

from ocdp_operator.cli.output import Format
from ocdp_operator.cli.preview_printing import (
    chosen_fields,
    chosen_object,
    show_changes_of,
    show_fields,
    show_summary,
)
from ocdp_operator.errors import Refused
from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.provenance import (
    BaseLayer,
    FieldOrigin,
    Giver,
    MappingLayer,
    PlatformLayer,
    PlatformPart,
    ProfileLayer,
    Provenance,
)
from ocdp_operator.plan.difference import ABSENT, Change, FieldChange, Means, ObjectChange
from tests.support.builders import COMMIT, ref

ACME = ProfileRef(id="acme", revision=2)
BASE = BaseLayer("web/base/web.yaml", COMMIT)
MAPPING = MappingLayer(3, "profile.parameters.hub", Giver.PROFILE, ACME)
DEPLOYMENT = ref("Deployment", "ide-web")
CONFIG = ref("ConfigMap", "ide-web-config-bbcdfghkmt")
FIELDS = (
    FieldOrigin("/kind", "Deployment", BASE),
    FieldOrigin("/metadata/name", "ide-web", PlatformLayer(PlatformPart.NAME)),
    FieldOrigin("/spec/replicas", 1, BASE),
    FieldOrigin("/spec/template/hub", "a\nb", MAPPING),
    FieldOrigin("/spec/template/class", "fast", ProfileLayer(ACME, "storageClass")),
)
PROVENANCE = Provenance(
    {
        DEPLOYMENT: FIELDS,
        CONFIG: (FieldOrigin("/data/c.yaml#/port", 80, BASE),),
        ref("Service", "ide-web"): (),
        ref("Service", "ide-web-metrics"): (),
    }
)

MEANT = {
    "as it is": ("Deployment/ide-web", DEPLOYMENT),
    "in lower case": ("deployment/ide-web", DEPLOYMENT),
    "in the plural, without the prefix": ("deployments/web", DEPLOYMENT),
    "by a short name": ("deploy/web", DEPLOYMENT),
    "the only one of its kind": ("deployment", DEPLOYMENT),
    "without its hash": ("configmap/web-config", CONFIG),
    "a name that begins another one": ("service/web", ref("Service", "ide-web")),
}


@pytest.mark.parametrize(("said", "meant"), MEANT.values(), ids=MEANT.keys())
def test_an_object_is_found_by_what_people_call_it(said: str, meant: object) -> None:
    assert chosen_object(PROVENANCE, "ide", said) == meant


@pytest.mark.parametrize("said", ["service", "deployment/other", "pod/ide-web"])
def test_what_means_no_one_object_is_refused_with_those_that_there_are(said: str) -> None:
    with pytest.raises(Refused) as caught:
        chosen_object(PROVENANCE, "ide", said)
    assert "Deployment/ide-web" in caught.value.remedy


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", 5),
        ("/", 5),
        ("/spec", 3),
        ("/spec/replicas", 1),
        ("/spec/template/", 2),
    ],
)
def test_a_pointer_means_a_field_and_those_below_it(pointer: str, expected: int) -> None:
    assert len(chosen_fields(FIELDS, DEPLOYMENT, pointer)) == expected


def test_a_pointer_into_a_file_means_its_fields() -> None:
    fields = PROVENANCE.objects[CONFIG]
    assert chosen_fields(fields, CONFIG, "/data/c.yaml") == list(fields)
    assert chosen_fields(fields, CONFIG, "/data/c.yaml#/port") == list(fields)


def test_a_field_that_is_not_there_is_refused_with_those_beside_it() -> None:
    with pytest.raises(Refused) as caught:
        chosen_fields(FIELDS, DEPLOYMENT, "/spec/template/klass/name")
    assert "/spec/template/class" in caught.value.remedy


@pytest.mark.parametrize("pointer", ["", "/spec"])
def test_an_object_without_fields_is_said_to_have_none(pointer: str) -> None:
    with pytest.raises(Refused, match="has no fields to explain") as caught:
        chosen_fields((), DEPLOYMENT, pointer)
    assert "There are" not in caught.value.remedy


def test_a_table_says_who_set_each_field(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields(DEPLOYMENT, FIELDS, Format.TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["FIELD", "VALUE", "SET", "BY", "FROM"]
    assert lines[4].split(maxsplit=3) == [
        "/spec/template/hub",
        r'"a\nb"',
        "mapping",
        "mappings[3]: profile.parameters.hub (acme@2)",
    ]


def test_documents_name_the_parts_of_a_layer(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields(DEPLOYMENT, FIELDS, Format.JSON)
    (document,) = json.loads(capsys.readouterr().out)
    assert document["object"] == "Deployment/ide-web"
    assert document["fields"][3] == {
        "field": "/spec/template/hub",
        "value": "a\nb",
        "setBy": "mapping",
        "from": "mappings[3]: profile.parameters.hub (acme@2)",
        "layer": {
            "index": 3,
            "source": "profile.parameters.hub",
            "giver": "profile",
            "profile": {"id": "acme", "revision": 2},
        },
    }


def test_documents_can_be_read_again_as_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(PROVENANCE, Format.YAML)
    first, *_ = yaml.safe_load_all(capsys.readouterr().out)
    assert first["fields"][1]["layer"] == {"part": "name"}
    show_changes_of(CHANGES, Format.YAML)
    assert [each["change"] for each in yaml.safe_load_all(capsys.readouterr().out)] == [
        "unchanged",
        "configured",
        "deleted",
    ]


def test_a_summary_counts_the_fields_of_each_layer(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(PROVENANCE, Format.TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "OBJECT",
        "FIELDS",
        "BASE",
        "COMPONENT",
        "MAPPING",
        "PROFILE",
        "GENERATED",
        "PLATFORM",
    ]
    assert lines[1].split() == ["Deployment/ide-web", "5", "2", "-", "1", "1", "-", "1"]


CHANGES = [
    ObjectChange(ref("Service", "ide-web"), Change.UNCHANGED),
    ObjectChange(
        DEPLOYMENT,
        Change.CONFIGURED,
        (
            FieldChange("/spec/replicas", 3, 1, BASE),
            FieldChange("/spec/template/foreign", "x", ABSENT),
            FieldChange("/spec/template/hub", ABSENT, None, MAPPING),
        ),
    ),
    ObjectChange(CONFIG, Change.DELETED, note="once no pod uses it"),
]


def test_changes_show_old_and_new_values_and_who_says_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    show_changes_of(CHANGES, Format.TABLE)
    assert capsys.readouterr().out.splitlines() == [
        "Deployment/ide-web configured",
        "  /spec/replicas   base: web/base/web.yaml@c0ffee00c0ff",
        "    - 3",
        "    + 1",
        "  /spec/template/foreign",
        "    - x",
        "  /spec/template/hub   mapping: mappings[3]: profile.parameters.hub (acme@2)",
        "    + null",
        "ConfigMap/ide-web-config-bbcdfghkmt deleted (once no pod uses it)",
        "1 configured, 1 unchanged, 1 deleted",
    ]


def test_how_a_change_comes_about_is_said_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    change = ObjectChange(CONFIG, Change.CONFIGURED, note="replaces ConfigMap/x", means=Means.NEW_NAME)
    show_changes_of([change], Format.TABLE)
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "ConfigMap/ide-web-config-bbcdfghkmt configured, under a new name (replaces ConfigMap/x)"
    show_changes_of([change], Format.JSON)
    assert json.loads(capsys.readouterr().out)[0]["means"] == "under a new name"


def test_changes_as_documents_tell_absent_from_null(capsys: pytest.CaptureFixture[str]) -> None:
    show_changes_of(CHANGES, Format.JSON)
    unchanged, configured, _ = json.loads(capsys.readouterr().out)
    assert unchanged == {"object": "Service/ide-web", "change": "unchanged"}
    _, foreign, hub = configured["fields"]
    assert foreign == {"field": "/spec/template/foreign", "old": "x"}
    assert (hub["new"], "old" in hub) == (None, False)
