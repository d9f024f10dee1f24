"""What a manifest repository is held to beside the operator's policy: so that it runs well, and can be built upon.

The operator's policy says what must not be; this says what must be there: a version, a numeric user, probes, resources, labels,
and selectors that never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ocdp_operator.manifests.problems import Problem, of_violation, subject
from ocdp_operator.manifests.references import pod_template
from ocdp_operator.model.kinds import DEPLOYMENT, SECRET, STATEFUL_SET
from ocdp_operator.model.names import INSTANCE
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.place import Place, Violations
from ocdp_operator.plan.pod_security import containers
from ocdp_operator.plan.selectors import SELECTORS

_NAME: Final = "app.kubernetes.io/name"
_LABELS: Final = (_NAME, *(f"app.kubernetes.io/{label}" for label in ("component", "part-of", "managed-by")))
_SELECTED_BY: Final = (_NAME, INSTANCE)
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_RESOURCES: Final = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
_RUN_ON: Final = (DEPLOYMENT.kind, STATEFUL_SET.kind)
"""Kinds whose pods are to run until they are told to stop."""


def broken(where: str, manifests: tuple[Manifest, ...]) -> Iterator[Problem]:
    """Everything in the set that a rule is against."""
    pods = tuple(_pod_labels(manifest) for manifest in manifests)
    for manifest in manifests:
        found = Violations(subject(manifest))
        for rule in _RULES:
            rule(manifest, found)
        _check_selector(manifest, [labels for labels in pods if labels is not None], found)
        yield from (of_violation(where, each) for each in found)


def _check_labels(manifest: Manifest, found: Violations) -> None:
    if manifest.ref.kind == SECRET.kind:  # brought by the operator or the site, not by the app
        return
    places = [Place(manifest.body, found)]
    template = pod_template(manifest, found)
    for place in places if template is None else [*places, template]:
        for label in _LABELS:
            if not place.at("metadata", "labels").mapping().get(label):
                place.at("metadata", "labels").deny(f"must hold {label}")


def _check_pods(manifest: Manifest, found: Violations) -> None:
    template = pod_template(manifest, found)
    if template is None:
        return
    pod = template.at("spec")
    for container in containers(pod):
        _check_image(container.at("image"))
        user = container.at("securityContext", "runAsUser")
        if user.value is None and pod.at("securityContext", "runAsUser").value is None:
            user.deny("must be given as a number, here or for the pod: an image may name its user by a word")
        for part, resource in _RESOURCES:
            if container.at("resources", part, resource).value is None:
                container.at("resources", part, resource).deny("must be given")
    if manifest.ref.kind in _RUN_ON:
        for container in pod.at("containers").items():
            for probe in _PROBES:
                if not container.at(probe).mapping():
                    container.at(probe).deny("must be given")


def _check_image(image: Place) -> None:
    name, at, digest = image.text().partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if at and digest:
        return
    if not tag:
        image.deny("must have a tag or a digest: without one it is whatever is newest")
    elif tag.lower() == "latest":
        image.deny("must not be latest: nobody could say later what ran")


def _check_selector(manifest: Manifest, pods: list[Mapping[str, Any]], found: Violations) -> None:
    steps = SELECTORS.get(manifest.ref.kind)
    if steps is None:
        return
    place = Place(manifest.body, found)
    selector = place.at(*steps)
    labels = selector.mapping()
    for label in labels:
        if label not in _SELECTED_BY:
            selector.deny(
                f"may hold {' and '.join(_SELECTED_BY)} alone, not {label}: a selector cannot change"
            )
    if steps[-1] == "matchLabels":
        place.at(*steps[:-1], "matchExpressions").only([], why="must be left out: a selector cannot change")
    if not labels.get(_NAME):
        selector.deny(f"must hold {_NAME}")
    elif pods and not any(labels.items() <= pod.items() for pod in pods):
        selector.deny("selects no pod of this set")


def _pod_labels(manifest: Manifest) -> Mapping[str, Any] | None:
    template = pod_template(manifest, Violations(""))
    return None if template is None else template.at("metadata", "labels").mapping()


_RULES: Final[tuple[Callable[[Manifest, Violations], None], ...]] = (_check_labels, _check_pods)
