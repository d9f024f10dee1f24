"""A Job is named by what it runs: another content is another Job, and the same one stays."""

from __future__ import annotations

import re

import pytest

from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.content_names import HASH, is_named_by_content, stem_of_job, with_content_name
from tests.support.cluster_worlds import deployment
from tests.support.live_objects import changed, job

NAME = with_content_name(Manifest.of(job())).ref.name


def test_the_name_ends_with_a_hash() -> None:
    named = with_content_name(Manifest.of(job()))
    assert re.fullmatch(f"ide-{HASH}", named.ref.name)
    assert named.body["metadata"]["name"] == named.ref.name
    assert is_named_by_content(named.ref)
    assert stem_of_job(named.ref.name) == "ide"


@pytest.mark.parametrize(
    ("path", "value", "is_new"),
    [
        ("spec.template.spec.containers.0.image", "app:2", True),
        ("spec.template.spec.nodeSelector", {"pool": "gpu"}, True),
        ("spec.completions", 2, True),
        ("spec.suspend", True, False),
        ("spec.parallelism", 2, False),
        ("spec.backoffLimit", 1, False),
        ("spec.ttlSecondsAfterFinished", 60, False),
        ("metadata.labels", {"a": "b"}, False),
    ],
)
def test_only_what_can_never_change_makes_another_job(path: str, value: object, is_new: bool) -> None:
    other = with_content_name(Manifest.of(changed(job(), path, value)))
    assert (other.ref.name != NAME) is is_new


def test_other_objects_keep_their_names() -> None:
    manifest = Manifest.of(deployment())
    assert with_content_name(manifest) is manifest
    assert not is_named_by_content(manifest.ref)
