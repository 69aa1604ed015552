"""Python's cyclic garbage collector, set for a process that makes many small objects and hardly any cycles."""

import gc

from sensorline.sparing import settle

YOUNG_OBJECTS = 50_000
"""Containers made, less those freed, before the young ones are looked through. A full batch of 5,000 messages has that many
alive a few times over; at the default of 700 each of them was looked at again and again, for nothing: what the hot path makes
is freed by its reference counts. Cycles (of exceptions, of requests for /metrics) are still found, later."""

OLDER_EVERY = 20
OLDEST_EVERY = 50


def calm_collector() -> None:
    """Take what exists by now (modules, settings, known series) out of every later collection, and collect seldom."""
    settle()
    gc.set_threshold(YOUNG_OBJECTS, OLDER_EVERY, OLDEST_EVERY)
