"""When a new process may help, and when it would not: the two probes on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ocdp_operator.adapters.cluster.pulse import Pulse
from ocdp_operator.adapters.health import Health, Readiness

LIMIT = 75.0
MINUTE = 60.0


class Time:
    """Stands still unless it is told to pass."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.health: Health | None = None

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        """So much time, in which the event loop turns."""
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            if self.health:
                self.health.tick()

    def hang(self, seconds: float) -> None:
        """So much time, in which it does not."""
        self.now += seconds


class Scene:
    """A process with two watches and a queue."""

    def __init__(self) -> None:
        self.time = Time()
        self.pods, self.claims = Pulse(LIMIT, self.time), Pulse(LIMIT, self.time)
        self.watches: Mapping[str, Pulse] = {"pods": self.pods, "workloadclaims": self.claims}
        self.due_since: float | None = None
        self.health = Health(clock=self.time, watches=lambda: self.watches, oldest_wait=self.oldest)
        self.time.health = self.health

    def oldest(self) -> float:
        return 0.0 if self.due_since is None else self.time.now - self.due_since

    def begin(self) -> None:
        for pulse in self.watches.values():
            pulse.begin()

    def failing_check(self) -> str:
        """The name of the check that fails, or nothing."""
        report = self.health.report()
        failing = [name for name, check in report.body["checks"].items() if not check["ok"]]
        assert report.ok is report.body["ok"] is (not failing)
        return " ".join(failing)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.begin()
    return made


def test_a_process_that_has_not_begun_to_watch_is_well_however_long_it_waits():
    scene = Scene()
    scene.time.pass_(100 * MINUTE)
    assert scene.failing_check() == ""
    scene.begin()
    assert scene.failing_check() == ""


def test_a_watch_that_is_silent_without_a_reason_for_three_times_its_limit_makes_it_unhealthy(scene: Scene):
    scene.time.pass_(LIMIT)
    scene.claims.heard()
    scene.time.pass_(2 * LIMIT)
    assert scene.failing_check() == ""
    scene.time.pass_(1)
    assert scene.failing_check() == "watches"
    assert scene.health.report().body["checks"]["watches"]["stalled"] == ["pods"]
    scene.pods.heard()
    assert scene.failing_check() == ""


def test_an_api_server_that_cannot_be_reached_never_makes_it_unhealthy(scene: Scene):
    for _ in range(60):
        for pulse in scene.watches.values():
            pulse.failed()
        scene.time.pass_(MINUTE)
        assert scene.failing_check() == ""
    assert scene.pods.silent_for == 60 * MINUTE


def test_a_watch_that_is_refused_while_others_are_heard_is_no_reason_to_restart(scene: Scene):
    for _ in range(30):
        scene.pods.failed()
        scene.claims.heard()
        scene.time.pass_(MINUTE)
        assert scene.failing_check() == ""


def test_a_watch_that_stalls_after_an_outage_is_found(scene: Scene):
    scene.pods.failed()
    scene.time.pass_(3 * LIMIT + 1)
    scene.claims.heard()
    assert scene.failing_check() == "watches"


@pytest.mark.parametrize(
    ("late", "check"), [(4.0, ""), (5.6, "eventLoop")], ids=["a little", "beyond five seconds"]
)
def test_an_event_loop_that_is_late(scene: Scene, late: float, check: str):
    scene.time.hang(late + 0.5)
    assert scene.failing_check() == check  # not even a tick since
    scene.health.tick()
    assert scene.failing_check() == check
    scene.time.pass_(1)
    assert scene.failing_check() == ""


def heard_for(scene: Scene, minutes: float) -> None:
    for _ in range(int(minutes)):
        for pulse in scene.watches.values():
            pulse.heard()
        scene.time.pass_(MINUTE)


def test_a_claim_that_waits_for_a_worker_for_more_than_fifteen_minutes_makes_it_unhealthy(scene: Scene):
    scene.due_since = scene.time.now
    heard_for(scene, 15)
    assert scene.failing_check() == ""
    heard_for(scene, 1)
    assert scene.failing_check() == "queue"
    scene.due_since = None
    assert scene.failing_check() == ""


def test_the_time_in_which_the_api_server_was_away_is_not_held_against_the_queue(scene: Scene):
    scene.due_since = scene.time.now
    for _ in range(40):
        for pulse in scene.watches.values():
            pulse.failed()
        scene.time.pass_(MINUTE)
    assert scene.failing_check() == ""
    heard_for(scene, 15)
    assert scene.failing_check() == ""  # it may work off what has gathered
    heard_for(scene, 1)
    assert scene.failing_check() == "queue"


def test_ready_means_that_every_condition_holds():
    held = {"claims": False, "kinds": True}
    readiness = Readiness()
    readiness.require("claims", lambda: held["claims"])
    readiness.require("kinds", lambda: held["kinds"])
    report = readiness.report()
    assert not report.ok
    assert report.body == {"ok": False, "checks": {"claims": {"ok": False}, "kinds": {"ok": True}}}
    held["claims"] = True
    assert readiness.report().ok
    readiness.require("lease", lambda: False)
    assert not readiness.report().ok
    assert not readiness.holds("lease")
    assert readiness.holds("what nobody requires")
