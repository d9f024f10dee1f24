"""Problems are told once, for the first place."""

from __future__ import annotations

from ocdp_operator.manifests.problems import Problem, findings, of_violation


def problem(where: str, what: str = "must be given") -> Problem:
    return Problem(where, what, "Deployment/web", "spec.replicas")


def test_the_same_problem_in_several_places_is_told_for_the_first():
    found = findings([problem("base"), problem("component"), problem("base"), problem("overlay")])
    assert [(each.problem.where, each.also) for each in found] == [("base", ("component", "overlay"))]


def test_different_problems_stay_apart():
    assert len(findings([problem("base"), problem("base", "must be 1")])) == 2


def test_a_problem_reads_from_place_to_reason():
    assert str(problem("base")) == "base: Deployment/web spec.replicas: must be given"
    assert str(Problem("base", "is empty")) == "base: is empty"


def test_a_violation_is_taken_apart():
    assert of_violation("base", "Service/web spec.type: must not be: this") == Problem(
        "base", "must not be: this", "Service/web", "spec.type"
    )
    assert of_violation("base", "Service/web: is rendered twice") == Problem(
        "base", "is rendered twice", "Service/web"
    )
