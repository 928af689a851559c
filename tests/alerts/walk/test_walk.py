"""A random walk over the whole of alerts, compared at every step with a naive model.

``MENSHEN_WALK_STEPS`` sets how many steps are walked on each database; the suite walks few,
``make walk`` at least 100,000. Each round of walks has a seed of its own, one more than the last:
the one option of Hypothesis would walk the same round again and again. ``MENSHEN_WALK_SEED`` is
the first; without it, a long walk draws it, and prints it. The suite walks the same way each time:
whether a change is taken must not depend on chance.
"""

from __future__ import annotations

import os
import random
from itertools import count

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from alerts.deciding import router as router_module
from config.site import Site
from tests.alerts.walk.walker import Walk

IS_LONG = "MENSHEN_WALK_STEPS" in os.environ
STEPS = int(os.environ.get("MENSHEN_WALK_STEPS", "200"))
LENGTH = 50 if STEPS < 1000 else 200
DRAWN = random.SystemRandom().randrange(2**32) if IS_LONG else 20260301
SEED = int(os.environ.get("MENSHEN_WALK_SEED") or DRAWN)
ROUND = 20
"""Walks after which a long run says how far it has come."""


@pytest.mark.timeout(0)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_whatever_happens_in_whatever_order_the_centre_is_as_the_model_says(
    request: pytest.FixtureRequest,
    example_site: Site,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
) -> None:
    monkeypatch.setattr(router_module, "BATCH", 2)  # so that two routers share the work
    engines = request.getfixturevalue(f"{database}_engines")
    walk = type(
        "OneWalk", (Walk,), {"new_engine": staticmethod(engines), "site": example_site, "walked": 0}
    )
    walks = settings(
        max_examples=max(1, min(STEPS // LENGTH, ROUND)),
        stateful_step_count=LENGTH,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    seeds = count(SEED)
    while walk.walked < STEPS:
        chosen = next(seeds)
        print(f"seed {chosen}", flush=True)
        run_state_machine_as_test(seed(chosen)(walk), settings=walks)
        print(f"{walk.walked} steps on {database}", flush=True)
