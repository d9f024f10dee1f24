"""A claim that sets every value, in two environments: each object is the expected one, and they differ in what the profiles say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ocdp_operator.plan.profiles import leaves, merge
from tests.support.app_renderings import APPS, Build, Objects
from tests.support.full_claims import (
    ENVIRONMENTS,
    as_document,
    differences,
    golden,
    in_environment,
    profiles_of,
)

POD = "/spec/template/spec"
PLACES = [
    ("/storageClass", "PersistentVolumeClaim", "/spec/storageClassName"),
    ("/ingress/class", "Ingress", "/spec/ingressClassName"),
    ("/ingress/domain", "Ingress", "/spec/rules/0/host"),
    ("/ingress/annotations/(.+)", "Ingress", r"/metadata/annotations/\1"),
    ("/ingress/tls", "Ingress", "/spec/tls"),
    ("/labels/(.+)", "[A-Za-z]+", r"/metadata/labels/\1"),
    ("/labels/(.+)", "Deployment", r"/spec/template/metadata/labels/\1"),
    ("/nodeSelector/(.+)", "Deployment", rf"{POD}/nodeSelector/\1"),
    ("/tolerations/0", "Deployment", f"{POD}/tolerations"),
    ("/registry/pullSecrets/0", "Deployment", f"{POD}/imagePullSecrets"),
]
"""Field of a profile, kind of an object, and what it is there."""
OF_CONTAINERS = [
    ("/registry/prefix", "/image"),
    ("/proxy/http", "/env/HTTP_PROXY"),
    ("/proxy/http", "/env/http_proxy"),
    ("/proxy/https", "/env/HTTPS_PROXY"),
    ("/proxy/https", "/env/https_proxy"),
    ("/proxy/noProxy", "/env/NO_PROXY"),
    ("/proxy/noProxy", "/env/no_proxy"),
]
OF_ONE = {
    "code-server": [("/parameters/extensionsGallery", "/env/EXTENSIONS_GALLERY")],
    "litellm": [],
    "vllm-server": [
        ("/parameters/modelHub", "/env/HF_ENDPOINT"),
        ("/parameters/modelHubOffline", "/env/HF_HUB_OFFLINE"),
        ("/gpu/resource", "/resources/limits/nvidia.com~1gpu"),
        ("/gpu/resource", "/resources/limits/amd.com~1gpu"),
    ],
}
"""The same, of each container: what it is there."""
ELSEWHERE = {"/nodePorts/from", "/nodePorts/to", "/gpu/runtimeClass"}
"""Where it is is not told by these tables: nowhere with an Ingress, or of pods with GPUs alone."""


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("app", APPS)
async def test_every_object_is_the_expected_one(build: Build, app: str, environment: str):
    """Else run ``python -m tests.support.full_claims``, and look at what changed."""
    objects = await in_environment(build, app, environment)
    assert as_document(objects) == golden(app, environment).read_text()


def fields_that_differ() -> set[str]:
    """Of the two environments' profiles, merged."""
    said = [
        {pointer: value for pointer, value, _ in leaves(merge(profiles_of(*files)))}
        for files in ENVIRONMENTS.values()
    ]
    first, second = said
    return {each for each in first.keys() | second.keys() if first.get(each) != second.get(each)}


def expected(app: str, objects: Objects) -> Iterator[tuple[str, str]]:
    """Object and pointer of all that these fields decide."""
    for field in fields_that_differ():
        for name, body in objects.items():
            for pattern, kind, place in PLACES:
                if (found := re.fullmatch(pattern, field)) and re.fullmatch(kind, body["kind"]):
                    yield name, found.expand(place)
            for group in ("containers", "initContainers") if body["kind"] == "Deployment" else ():
                for container in body["spec"]["template"]["spec"].get(group, ()):
                    for known, place in (*OF_CONTAINERS, *OF_ONE[app]):
                        if known == field:
                            yield name, f"{POD}/{group}/{container['name']}{place}"
    if app == "vllm-server":
        yield "Deployment/full-model-vllm-server", f"{POD}/runtimeClassName"


def test_the_two_environments_differ_in_every_field_that_a_profile_has():
    known = {
        pattern for pattern, *_ in (*PLACES, *OF_CONTAINERS, *(each for of in OF_ONE.values() for each in of))
    }
    fields = fields_that_differ()
    assert all(any(re.fullmatch(each, field) for field in fields) for each in known)
    assert all(any(re.fullmatch(each, field) for each in known) for field in fields - ELSEWHERE)


@pytest.mark.parametrize("app", APPS)
async def test_a_claim_differs_in_what_the_profiles_say_and_in_nothing_else(build: Build, app: str):
    first, second = [await in_environment(build, app, environment) for environment in ENVIRONMENTS]
    assert first.keys() == second.keys()
    found = {(name, pointer) for name in first for pointer in differences(first[name], second[name])}
    assert found == set(expected(app, first))
