"""Which pods an object means: those of its own claim, though the namespace may hold many claims of one template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ocdp_operator.model.names import CLAIM_NAME, INSTANCE
from ocdp_operator.plan.place import Place

SELECTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "Service": ("spec", "selector"),
    "Deployment": ("spec", "selector", "matchLabels"),
    "StatefulSet": ("spec", "selector", "matchLabels"),
    "NetworkPolicy": ("spec", "podSelector", "matchLabels"),
    "PodDisruptionBudget": ("spec", "selector", "matchLabels"),
}
"""Kind -> where it says which pods it means. What is said beside ``matchLabels`` only narrows it."""


def check_selector(selector: Place, claim: str) -> None:
    """Denies to select pods of other claims, and to select none: a Service of no selector is sent wherever others say."""
    labels = selector.mapping()
    if not any(labels.get(name) == claim for name in (INSTANCE, CLAIM_NAME)):
        selector.deny(f"must hold {INSTANCE}: {claim}, so that it selects no pods of other claims")


def check_autoscaler(autoscaler: Place, scalable: frozenset[tuple[str, str]]) -> None:
    """Denies to scale what is not the claim's."""
    target = autoscaler.at("spec", "scaleTargetRef")
    target.at("apiVersion").must_be("apps/v1", why="must be apps/v1")
    if (target.at("kind").text(), target.at("name").text()) not in scalable:
        target.deny("must be a Deployment or StatefulSet of this rendering")
