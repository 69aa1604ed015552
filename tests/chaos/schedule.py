"""What is done to the stack, and when: drawn from a seed alone, before anything starts. The same seed gives the same schedule."""

import random
from collections.abc import Callable
from typing import NamedTuple

NODES = ("node-a", "node-b")
SQLITE, INFLUXDB = "sqlite", "influxdb"
STORES = (SQLITE, INFLUXDB)

LIMITS_BYTES = (1, 9_000, 70_000)
"""Sizes at which a file may not grow further: nothing at all, or so that a write breaks off in its midst."""

DAMAGES = ("deleted", "truncated", "zeroed", "emptied")

POINTS = {
    SQLITE: ("committing", "committed", "acknowledged", "confirmed", "sealing", "joining"),
    INFLUXDB: ("committing", "committed", "acknowledged", "delivering", "delivered", "noting"),
}
NODE_POINTS = ("taken", "confirming")
"""Pause points (sensorline.pausing) at which ingest and the nodes are killed or held."""

LINKS = {SQLITE: ("field", "core"), INFLUXDB: ("field", "core", "store")}
"""Where our proxies are: nodes and publisher to broker, broker to ingest, ingest to InfluxDB."""


class Fault(NamedTuple):
    """One thing that is done, `at_s` seconds after its cycle began, to `of`; it lasts `for_s`."""

    at_s: float
    what: str
    of: tuple[str, ...]
    for_s: float = 0.0
    detail: str = ""

    def __str__(self) -> str:
        lasts = f" {self.for_s:.1f} s" if self.for_s else ""
        detail = f" {self.detail}" if self.detail else ""
        return f"+{self.at_s:.2f} {self.what}{detail} {'+'.join(self.of)}{lasts}"


class Cycle(NamedTuple):
    """One round: calm work for `work_s`, with faults in it, and then everything is mended."""

    number: int
    work_s: float
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return f"{self.number:>3}  " + "; ".join(map(str, self.faults))


class _Draw:
    """Draws one fault of each kind. `pace` stretches how long things last: 1 in `make test`."""

    def __init__(self, rng: random.Random, store: str, pace: float) -> None:
        self._rng = rng
        self._store = store
        self._pace = pace
        self._programs = (*NODES, "broker", "ingest", *(("influxd",) if store == INFLUXDB else ()))

    def _at(self) -> float:
        return round(self._rng.uniform(0.1, 0.6 * self._pace), 3)

    def _lasting(self, least_s: float, most_s: float) -> float:
        return round(self._rng.uniform(least_s, most_s * self._pace), 2)

    def kill(self, *of: str) -> Fault:
        return Fault(self._at(), "kill", of, self._lasting(0.0, 0.5))

    def kill_some(self) -> Fault:
        some = self._rng.sample(self._programs, self._rng.randint(2, len(self._programs)))
        return self.kill(*(name for name in self._programs if name in some))

    def stop(self, *of: str) -> Fault:
        return Fault(self._at(), "stop", of, self._lasting(0.4, 2.0))

    def reset(self) -> Fault:
        return Fault(self._at(), "reset", (self._rng.choice(LINKS[self._store]),))

    def half_open(self) -> Fault:
        return Fault(
            self._at(), "half-open", (self._rng.choice(LINKS[self._store]),), self._lasting(0.5, 1.5)
        )

    def slow(self) -> Fault:
        how = self._rng.choice(("latency", "trickle"))
        return Fault(
            self._at(), "slow", (self._rng.choice(LINKS[self._store]),), self._lasting(0.7, 2.0), how
        )

    def disk_full(self) -> Fault:
        limit = self._rng.choice(LIMITS_BYTES)
        of = self._rng.choice(("ingest", *NODES))
        return Fault(self._at(), "disk-full", (of,), self._lasting(0.5, 1.5), f"at {limit} bytes")

    def disk_full_and_kill(self) -> list[Fault]:
        full = self.disk_full()
        return [full, Fault(round(full.at_s + full.for_s / 2, 3), "kill", full.of, self._lasting(0.0, 0.3))]

    def database(self) -> Fault:
        return Fault(self._at(), "database", ("broker",), self._lasting(0.0, 0.5), self._rng.choice(DAMAGES))

    def database_and_ingest(self) -> list[Fault]:
        database = self.database()
        return [database, database._replace(what="kill", of=("ingest",), detail="")]

    def pause(self, of: str, points: tuple[str, ...], then: str) -> Fault:
        point = self._rng.choice(points)
        return Fault(self._at(), f"pause-and-{then}", (of,), self._lasting(0.1, 0.5), point)

    def lost_reply(self) -> Fault:
        return Fault(self._at(), "lost-replies", ("store",), detail=str(self._rng.randint(1, 6)))

    def answer(self) -> Fault:
        status = self._rng.choice(("500", "503", "503 retry-after 1", "429", "429 retry-after 1"))
        return Fault(self._at(), "answer", ("store",), self._lasting(0.3, 1.2), status)

    def deck(self) -> list[Callable[[], Fault | list[Fault]]]:
        """Return one card for each kind of fault, and several for those that matter most."""
        points = POINTS[self._store]
        cards: list[Callable[[], Fault | list[Fault]]] = [
            lambda: self.kill("ingest"),
            lambda: self.kill("ingest"),
            lambda: self.kill("broker"),
            lambda: self.kill("broker", "ingest"),
            lambda: self.kill(self._rng.choice(NODES)),
            lambda: self.kill(*NODES),
            self.kill_some,
            lambda: self.stop(self._rng.choice(self._programs)),
            lambda: self.stop(self._rng.choice(("broker", "ingest"))),
            self.reset,
            self.reset,
            self.half_open,
            self.slow,
            self.disk_full,
            self.disk_full_and_kill,
            self.database,
            self.database_and_ingest,
            lambda: self.pause("ingest", points, "kill"),
            lambda: self.pause("ingest", points, "kill"),
            lambda: self.pause("ingest", points, "go-on"),
            lambda: self.pause(self._rng.choice(NODES), NODE_POINTS, "kill"),
        ]
        if self._store == INFLUXDB:
            cards += [
                lambda: self.kill("influxd"),
                lambda: self.kill("influxd", "ingest"),
                lambda: self.stop("influxd"),
                self.lost_reply,
                self.lost_reply,
                self.answer,
                self.answer,
            ]
        return cards


def draw(seed: int, cycles: int, store: str, *, pace: float = 1.0) -> list[Cycle]:
    """Return a schedule. Kinds of faults come like cards of a shuffled deck, so that few cycles have many kinds; about every second
    cycle has two at once, which may overlap.
    """
    rng = random.Random(f"{seed}/{store}")
    drawing = _Draw(rng, store, pace)
    deck: list[Callable[[], Fault | list[Fault]]] = []
    out = []
    for number in range(1, cycles + 1):
        faults: list[Fault] = []
        for _ in range(rng.choice((1, 1, 2))):
            if not deck:
                deck = drawing.deck()
                rng.shuffle(deck)
            drawn = deck.pop()()
            faults += drawn if isinstance(drawn, list) else [drawn]
        faults.sort()
        out.append(Cycle(number, round(rng.uniform(0.7, 1.0) * max(pace, 1.0), 2), tuple(faults)))
    return out
