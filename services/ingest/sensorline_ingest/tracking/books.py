"""Each device's book: what has become of its readings, its numbers, its rhythm.

Books change by `take` and `due` only, and only by what those are given: the same words in the same order lead to the same books.
So what was said (notes.py) is all that has to be durable between two snapshots.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import structlog

from sensorline.decoders.facts import COUNT_MAX
from sensorline.events import Account, Event, EventKind
from sensorline_ingest.tracking.numbers import Numbers
from sensorline_ingest.tracking.observing import ALL, LATE_NS, LateLimits, Observed
from sensorline_ingest.tracking.rhythm import Rhythm
from sensorline_ingest.tracking.silences import INTERVALS
from sensorline_ingest.tracking.spells import Spell, Spells

log = structlog.get_logger()

MAX_DEVICES: Final = 10_000
"""Further devices are stored like all others, but have no book."""


class Word(msgspec.Struct, array_like=True, gc=False):
    """What a device says of itself, rarely: its interval in seconds, and how many readings its node has refused so far."""

    device: str
    interval_s: float | None = None
    refused: int | None = None


class Device(msgspec.Struct, array_like=True, gc=False):
    """One device's book. `refused_word` is what its node said last; it begins at 0 when the node does."""

    name: str
    index: int
    numbers: Numbers = msgspec.field(default_factory=Numbers)
    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)
    heard_ns: int = 0
    received: int = 0
    rejected: int = 0
    duplicates: int = 0
    late: int = 0
    out_of_order: int = 0
    refused: int = 0
    refused_word: int = 0
    spells: list[Spell] = []

    def account(self, skew_ms: int | None, now_ns: int) -> Account:
        """Return the row for everybody to see."""
        return Account(
            self.name,
            self.received,
            max(self.received - self.rejected - self.duplicates, 0),
            self.rejected,
            self.duplicates,
            self.numbers.missing,
            self.late,
            self.out_of_order,
            self.refused,
            self.rhythm.interval_s,
            skew_ms,
            now_ns,
        )


class Totals(msgspec.Struct, array_like=True, gc=False):
    """Sums over all devices. `readings` were in batches, `repeated` of them the store had already.

    `begins_at` is how many readings the store had when tracking began, `rejects` how many messages were rejected since the store was
    made: -1 while nobody has said.
    """

    missing: int = 0
    late: int = 0
    out_of_order: int = 0
    duplicates: int = 0
    readings: int = 0
    repeated: int = 0
    begins_at: int = -1
    rejects: int = -1


Unsaid = tuple[str, int, int]
"""A device's readings that were sent again by the broker, and that the store had already, of which no notes speak yet."""


class _Snapshot(msgspec.Struct, array_like=True, gc=False):
    version: int
    now_ns: int
    devices: list[Device]
    totals: Totals
    unsaid: list[Unsaid] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Snapshot).decode
_VERSION = 1


class Books:
    """All devices' books, as of `now_ns`, the time of what was taken last."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.totals = Totals()
        self.devices: list[Device] = []
        self.by_name: dict[str, Device] = {}
        self.late_limits: LateLimits = {}
        self.spells = Spells()
        self.unsaid: list[Unsaid] = []
        """What the snapshot knew beyond these books. The first notes after it say all of it."""
        self._touched: dict[str, set[int]] = {}
        """Device → its incidents of which something is still to be told, or may be."""
        self._is_full = False

    def device(self, name: str) -> Device | None:
        """Return a device's book, a new one if it has none; None when there are too many."""
        device = self.by_name.get(name)
        if device is None and len(self.devices) < MAX_DEVICES:
            device = self.by_name[name] = Device(name, len(self.devices))
            self.devices.append(device)
        elif device is None and not self._is_full:
            self._is_full = True
            log.warning("too_many_devices_to_track", detail=f"only the first {MAX_DEVICES:,} have a book")
        return device

    def take(self, observed: Iterable[Observed], now_ns: int) -> None:
        """Take what a batch said of its devices."""
        self.now_ns = now_ns
        totals = self.totals
        for found in observed:
            totals.readings += found.readings
            totals.repeated += found.repeated
            totals.duplicates += found.repeated + found.redelivered
            if found.device == ALL:
                totals.rejects = max(totals.rejects, 0) + found.rejected
                continue
            device = self.device(found.device)
            if device is None:
                continue
            device.received += found.readings + found.rejected + found.redelivered
            if found.readings:
                device.heard_ns = now_ns
                if found.is_live:
                    self._beat(device, now_ns)
            if found.ranges:
                self._take_numbers(device, found, now_ns)
            if found.rejected:
                device.rejected += found.rejected
                self._happened(device, EventKind.REJECTED, found.rejected, found.reasons)
            if found.repeated or found.redelivered:
                device.duplicates += found.repeated + found.redelivered
                self._happened(device, EventKind.DUPLICATES, found.repeated + found.redelivered)
            if found.late:
                device.late += found.late
                totals.late += found.late
                self._happened(device, EventKind.LATE, found.late)
            if found.out_of_order:
                device.out_of_order += found.out_of_order
                totals.out_of_order += found.out_of_order
                self._happened(device, EventKind.OUT_OF_ORDER, found.out_of_order)

    def _happened(
        self, device: Device, kind: EventKind, count: int, reasons: dict[str, int] | None = None
    ) -> None:
        self.spells.note(device.name, device.spells, kind, count, self.now_ns, reasons)

    def _take_numbers(self, device: Device, found: Observed, now_ns: int) -> None:
        numbers = device.numbers
        before, touched = numbers.missing, self._touched.get(device.name) or set()
        for part in found.ranges:
            numbers.take(part, now_ns, touched)
        self.totals.missing += numbers.missing - before
        if touched:
            self._touched[device.name] = touched

    def _beat(self, device: Device, now_ns: int) -> None:
        rhythm = device.rhythm
        before = rhythm.interval_s
        rhythm.beat(now_ns // 10**6)
        if rhythm.interval_s != before:
            self._note_interval(device)

    def _note_interval(self, device: Device) -> None:
        interval_s = device.rhythm.interval_s
        limit_ns = int(INTERVALS * (interval_s or 0) * 1e9)
        if limit_ns > LATE_NS:
            self.late_limits[device.name] = limit_ns
        else:
            self.late_limits.pop(device.name, None)

    def listen(self, words: Iterable[Word]) -> None:
        """Take what devices say of themselves."""
        for word in words:
            device = self.device(word.device)
            if device is None:
                continue
            if word.interval_s is not None:
                device.rhythm.announced_s = word.interval_s
                self._note_interval(device)
            if word.refused is not None:
                # A smaller count than before: the node's file was begun again.
                before = device.refused_word if word.refused >= device.refused_word else 0
                device.refused = min(device.refused + word.refused - before, COUNT_MAX)
                device.refused_word = word.refused

    def resume(self) -> None:
        """Nobody listened for a while: ingest or its connection was away."""
        for device in self.devices:
            device.rhythm.pause()

    def due(self, now_ns: int) -> list[Event]:
        """Return the events about missing numbers and spells that are to be stored now; nothing changes when there are none."""
        events = self.spells.due(now_ns)
        if not self._touched:
            return events
        for name, touched in list(self._touched.items()):
            events += self.by_name[name].numbers.due(name, touched, now_ns)
            if not touched:
                del self._touched[name]
        return events

    def snapshot(self, unsaid: Sequence[Unsaid] = ()) -> bytes:
        """Return all of it, and what is known beyond it."""
        return _encode(_Snapshot(_VERSION, self.now_ns, self.devices, self.totals, [*unsaid]))

    def restore(self, snapshot: bytes) -> None:
        """Begin with what a snapshot says. Raises msgspec.MsgspecError for one that is none."""
        said = _decode(snapshot)
        self.now_ns, self.devices, self.totals = said.now_ns, said.devices, said.totals
        self.unsaid = said.unsaid
        self.by_name = {device.name: device for device in self.devices}
        self._touched = {d.name: set(d.numbers.incidents) for d in self.devices if d.numbers.incidents}
        for device in self.devices:
            self._note_interval(device)
            self.spells.go_on(device.name, device.spells)
