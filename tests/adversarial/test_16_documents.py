"""Row 16: YAML and text that cost too much or mean two things: a clear reason, types kept, and everybody else goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import yaml

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files
from tests.support.hostile import Case, Crowd, codes, messages, peak_memory
from tests.support.overlays import setting
from tests.support.world import Team, is_ready
from tests.unit.model.test_documents import BOMB, ENCODINGS, HOSTILE, REFUSED

MIB = 1024 * 1024
KUSTOMIZATION, CONFIGURATION, MANIFEST = (
    "web/base/kustomization.yaml",
    "web/base/settings.yaml",
    "web/base/service.yaml",
)
READABLE = {"many documents", "a long key", "comments", "digits", "a block scalar", "many keys"}
"""Of a mebibyte: those that are no fault of YAML's."""


def texts() -> dict[str, bytes]:
    """Everything that ``load_documents`` must refuse."""
    refused = {name: text.encode() for name, (text, _) in REFUSED.items()}
    return refused | ENCODINGS | {name: data for name, data in HOSTILE.items() if name not in READABLE}


async def test_16_what_no_yaml_should_be_is_refused_wherever_we_read_it(new_team, operator: OperatorProcess):
    team: Team = await new_team("yaml")
    cases = {}
    for name, data in texts().items():
        cases[f"{name} as the kustomization"] = Case(app_files() | {KUSTOMIZATION: data})
        cases[f"{name} as a configuration file"] = Case(
            app_files() | {CONFIGURATION: data}, values={"greeting": "hi"}
        )
    cases = {
        name: case
        for number, (name, case) in enumerate(cases.items())
        # Each text in one of both places; the dear ones in both.
        if number % 4 in {0, 3} or any(word in name for word in ("bomb", "brackets", "scalars", "anchors"))
    }
    crowd = await Crowd.of(team, cases)
    settling = asyncio.create_task(crowd.settled(seconds=120))
    while not settling.done():
        assert await operator.healthy()
        await asyncio.wait([settling], timeout=0.2)
    found = await settling
    expected = {
        # Larger than any file may be: it is not even exported.
        name: "SourceTooLarge" if "more than 1 MiB" in name else "UnsafeBuild"
        for name in cases
    }
    assert codes(found) == expected
    for name, text in messages(found).items():
        place = "kustomization" if name.endswith("kustomization") else "settings.yaml"
        assert place in text, (name, text)
        assert text.isprintable()
        assert len(text) < 400
    assert await crowd.refused() == set()
    assert peak_memory(operator.pid) < 600 * MIB


async def test_16_manifests_that_only_kustomize_reads_cost_only_kustomize(
    new_team, operator: OperatorProcess
):
    team: Team = await new_team("manifests")
    data = {
        "a bomb": BOMB.encode(),
        "brackets": b"[" * (MIB - 1),
        "braces": b"{" * (MIB - 1),
        "an open quote": b'"' + b"a" * (MIB - 2),
        "UTF-16": "apiVersion: v1".encode("utf-16"),
        "Latin-1": "kind: é".encode("latin-1"),
        "NUL": b"kind: \0",
        "two keys": b"apiVersion: v1\nkind: ConfigMap\nkind: Secret\nmetadata: {name: x}\n",
        "no object": b"- 1\n",
    }
    cases = {name: Case(app_files() | {MANIFEST: text}) for name, text in data.items()}
    crowd = await Crowd.of(team, cases)
    found = await crowd.settled(seconds=120)
    assert {name: code for name, code in codes(found).items() if code != "BuildFailed"} == {}
    assert await crowd.refused() == set()
    assert str(operator.log.parent) not in str(messages(found))


async def test_16_a_tag_that_names_a_program_starts_none(new_team, operator: OperatorProcess, tmp_path: Path):
    team: Team = await new_team("tags")
    marker = tmp_path / "marker"
    python = f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: x}}
data: !!python/object/apply:os.system ["touch {marker}"]
"""
    crowd = await Crowd.of(team, {"a Python object": Case(app_files() | {MANIFEST: python.encode()})})
    # kustomize takes the tag for nothing, and the API server knows no ConfigMap whose data is a list.
    assert codes(await crowd.settled()) == {"a Python object": "ApplyFailed"}
    assert not marker.exists()
    assert await operator.healthy()


SCALARS = """\
no_: no
yes_: yes
on_: 'on'
y: y
exponent: 1e3
octal: 0o7
old_octal: 010
hexadecimal: 0x1F
date: 2020-01-01
time: 2001-12-14t21:59:43.10-05:00
sixties: 22:22
version: 1.10
quoted_version: "1.10"
tilde: ~
nothing:
large: 18446744073709551615
text_true: "true"
underscores: 1_000
equals: =
emoji: "\\U0001F600"
"""
MEANT = {
    "no_": False, "yes_": True, "on_": "on", "y": "y", "exponent": 1000.0, "octal": 7, "old_octal": 8,
    "hexadecimal": 31, "date": "2020-01-01", "time": "2001-12-14t21:59:43.10-05:00", "sixties": "22:22",
    "version": 1.1, "quoted_version": "1.10", "tilde": None, "nothing": None, "large": 2**64 - 1,
    "text_true": "true", "underscores": 1000, "equals": "=", "emoji": "\U0001f600",
}  # fmt: skip
"""What the scalars mean to kubectl."""

VALUES: list[Any] = [
    "no", "yes", "on", "y", "1e3", "0o7", "010", "0x1F", "2020-01-01", "22:22", "1.10", "~", "null", "", "true", "=",
    "1_000", ".inf", "<<", "18446744073709551616", True, False, 0, -1, 1.5, 10**15, [], {}, [None, "no", {"yes": "1e3"}],
]  # fmt: skip


async def test_16_types_are_kept_from_the_claim_and_from_the_base_to_the_live_object(
    new_team, operator: OperatorProcess
):
    team: Team = await new_team("types")
    names = [f"v{number}" for number in range(len(VALUES))]
    body = {
        "schema": {"type": "object", "properties": {name: {} for name in names}},
        "mappings": [
            setting("web-config", "settings.yaml", f"/given/{name}", f"values.{name}") for name in names
        ],
        "components": [],
    }
    values = dict(zip(names, VALUES, strict=True))
    cases = {
        "types": Case(app_files() | {CONFIGURATION: SCALARS.encode()}, values=values, body=body),
        "types in a row": Case(values=values, body=body),
    }
    crowd = await Crowd.of(team, cases)
    found = await crowd.settled()
    unready = {case: each for case, each in found.items() if not is_ready(each)}
    assert messages(unready) == {}
    for name in crowd.names.values():
        (data,) = (
            item["data"]["settings.yaml"]
            for key, item in (await team.objects()).items()
            if key.startswith(f"ConfigMap/{name}-web-config-")
        )
        live = yaml.safe_load(data)
        given = live.pop("given")
        assert [given[each] for each in names] == VALUES
        assert [type(given[each]) for each in names] == [type(value) for value in VALUES]
        if name == "c0":
            assert live == MEANT
            assert {key: type(value) for key, value in live.items()} == {k: type(v) for k, v in MEANT.items()}
    assert await operator.healthy()
