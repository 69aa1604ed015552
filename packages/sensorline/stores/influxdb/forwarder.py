"""What is committed goes to InfluxDB: entries of the journal in their order, a few thousand readings a request.

For each group of entries: place them (placing), send what makes readers careful, then the readings. Nothing comes before that is
delivered. How far it has come is written down from time to time, together with all that follows from it; after a
kill, entries since then are placed and sent once more, which gives the same lines. That would not be so for readings that had to be looked up,
since they would be found there: with those the lines themselves are written down before they are sent (`pending`).
"""

import time
from collections.abc import Sequence

import structlog

from sensorline import topics
from sensorline.errors import StoreUnavailable
from sensorline.pausing import pause_at
from sensorline.reading import DeadLetter, Settled
from sensorline.settings import StoreSettings
from sensorline.stores.buckets import HOUR_NS
from sensorline.stores.influxdb import local, points
from sensorline.stores.influxdb.adoption import adopt
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.delivery import LINES_PER_REQUEST, Delivery, Refused
from sensorline.stores.influxdb.half_days import HalfDays
from sensorline.stores.influxdb.known import KnownSeries, Registry
from sensorline.stores.influxdb.ledger import Ledger
from sensorline.stores.influxdb.local import LocalFile, Parcel
from sensorline.stores.influxdb.outbox import Item, Outbox
from sensorline.stores.influxdb.placing import Placed, Placing
from sensorline.stores.influxdb.settings import Buckets
from sensorline.stores.influxdb.shipment import Shipment
from sensorline.stores.influxdb.succession import Succession
from sensorline.stores.influxdb.telling import Telling
from sensorline.stores.influxdb.todo import Todo
from sensorline.stores.influxdb.upkeep import Upkeep

log = structlog.get_logger()

SAVE_INTERVAL_S = 10.0
"""How far it has come is written down this often: what a kill makes us send again."""


class Forwarder:
    """One step after the other, of one thread. Each may fail with StoreUnavailable and is then taken up again."""

    def __init__(
        self,
        file: LocalFile,
        registry: Registry,
        ledger: Ledger,
        telling: Telling,
        outbox: Outbox,
        succession: Succession,
        connection: Connection,
        store: StoreSettings,
    ) -> None:
        self._file = file
        self._registry = registry
        self._ledger = ledger
        self._telling = telling
        self._outbox = outbox
        self._succession = succession
        self._connection = connection
        self._store = store
        self._begin()
        self.settled = Settled()
        """What was decided about undecided readings, in all since the start."""
        pending = local.load_pending(file)
        self._has_pending = bool(pending)
        self._shipment = Shipment(pending) if pending else None
        self._next: Item | None = None
        self._placed: Placed | None = None
        self._unsaved: list[KnownSeries] = []
        self._uncounted = 0
        self._told: set[str] = set()
        self._saved_number = outbox.delivered
        self._saved_s = time.monotonic()

    def _begin(self) -> None:
        """Load what is known of the bucket that the local file is about."""
        file, connection, by_id = self._file, self._connection, self._registry.by_id
        self._buckets = buckets = Buckets(self._succession.bucket)
        self._delivery = delivery = Delivery(connection, readings_bucket=buckets.raw)
        self.todo = Todo(file, self._registry)
        self._half_days = HalfDays(file, connection, delivery, buckets, by_id)
        self._upkeep = Upkeep(
            file, connection, delivery, buckets, self._store, self.todo, self._half_days, by_id, self._telling
        )
        self._placing = Placing(self._registry, connection, buckets.raw)
        self._has_adopted = local.ADOPTED in local.load_borders(file)
        self._telling.begin()

    @property
    def has_adopted(self) -> bool:
        """True when the bucket for which commits are now was looked through, so that what is stored there is known."""
        return self._has_adopted and not self._succession.is_pending

    @property
    def is_idle(self) -> bool:
        """True when InfluxDB has everything that was committed."""
        has_state = self._ledger.has_devices_to_tell or self._telling.has_news
        is_empty = self._shipment is None and self._placed is None and not has_state
        is_there = self._outbox.delivered >= self._outbox.newest and not self._succession.is_pending
        return is_empty and is_there

    def deliver(self) -> bool:
        """Deliver what is next, or turn to the next bucket; False when there is nothing to do. Raises StoreUnavailable."""
        if self._shipment is None:
            self._shipment = self._load()
        shipment = self._shipment
        if shipment is None:
            return self._turn()
        self._count(shipment)
        if shipment.is_to_be_saved:
            self._save(shipment.placed, shipment.parcels)
            shipment.is_to_be_saved = False
        while shipment.parcels:
            bucket, lines = shipment.parcels[0]
            if bucket == self._buckets.raw:
                pause_at("delivering")
            refused = self._delivery.send(bucket, lines)
            if bucket == self._buckets.raw:
                shipment.refused += refused
            elif refused:
                log.error("state_refused", bucket=bucket, lines=len(refused), detail=refused[0].why)
            del shipment.parcels[0]
        pause_at("delivered")
        if shipment.refused:
            self._save(shipment.placed, refused=shipment.refused)
        if shipment.placed is not None:
            self._outbox.has_delivered(shipment.placed.items)
        self._told |= shipment.devices
        self._telling.delivered(shipment.told_to)
        self._shipment = self._placed = None
        self._tell_newest()
        return True

    def _tell_newest(self) -> None:
        waiting = self._outbox.newest_waiting
        if not self._outbox.is_long:
            waiting.forget()
        elif not self._succession.is_pending:
            # With a change of bucket to come, what is newest is for another one.
            waiting.tell(self._registry, self._delivery, self._buckets.state)

    def _turn(self) -> bool:
        if not self._succession.is_pending:
            return False
        self._save(None)
        with self._file.lock:
            self._succession.turn(self._registry)
            # What was noted may be of readings that this bucket will never have.
            self._outbox.newest_waiting.forget()
            self._begin()
        return True

    def _load(self) -> Shipment | None:
        """Return the next shipment: changed facts, and as many entries as fit into a request."""
        until = min(self._outbox.newest, self._succession.until)
        if self._placed is None and until > self._outbox.delivered:
            if not self._has_adopted:
                waiting = self._outbox.readings
                adopt(self._file, self._registry, self._connection, self._buckets, self._half_days, waiting)
                self._has_adopted = True
            if items := self._gather():
                self._placed = self._placing.place(items)
        placed = self._placed
        if placed is not None:
            self._placing.settle(placed)
        lines, told_to = self._telling.take(self._buckets.raw)
        devices = self._ledger.take_devices_to_tell(self._buckets.raw)
        state = [points.device_line(self._ledger.facts_of(device)) for device in sorted(devices)]
        state += lines
        if placed is None:
            parcels = [Parcel(self._buckets.state, b"".join(state))]
            return Shipment(parcels, None, devices, told_to) if state else None
        parcels = self._parcels(placed, state)
        return Shipment(parcels, placed, devices, told_to, is_to_be_saved=bool(placed.between))

    def _gather(self) -> list[Item]:
        # An entry is not divided between requests if it fits into one, so that readers see it at once.
        items: list[Item] = []
        count = 0
        while count < LINES_PER_REQUEST:
            item = self._next or self._outbox.take(items[-1].number if items else self._outbox.delivered)
            self._next = None
            if item is None:
                break
            count += len(item.entry.values)
            if item.number > self._succession.until or (items and count > LINES_PER_REQUEST):
                self._next = item
                break
            items.append(item)
        return items

    def _parcels(self, placed: Placed, state: list[bytes]) -> list[Parcel]:
        state += self._upkeep.latest_lines(map(self._registry.by_id.__getitem__, placed.series_ids))
        marks = [
            points.marked_line(self._registry.by_id[series_id].key, hour * HOUR_NS, mask, None)
            for (series_id, hour), mask in self.todo.add(placed.minutes).items()
        ]
        parcels = [
            Parcel(self._buckets.state, b"".join(state)),
            Parcel(self._buckets.half_days, b"".join(self._half_days.add(placed.minutes))),
            Parcel(self._buckets.hours, b"".join(marks)),
            # Last: a window is marked before its reading can be seen.
            Parcel(self._buckets.raw, "".join(placed.lines).encode()),
        ]
        return [parcel for parcel in parcels if parcel.lines]

    def _count(self, shipment: Shipment) -> None:
        placed = shipment.placed
        if placed is not None and not shipment.is_counted:
            shipment.is_counted = True
            self._unsaved += placed.touched
            self._uncounted += placed.count
            self.settled += placed.settled or Settled()

    def upkeep(self, now_ns: int) -> bool:
        """Do a step of upkeep; True if there is more to do at once. Raises StoreUnavailable."""
        if self._shipment is not None or self._placed is not None:
            self.deliver()
        # A restart would mark once more, after the step has taken marks away.
        self._save(None)
        return self._upkeep.step(now_ns)

    def save(self, *, at_once: bool = False) -> None:
        """Write down how far it has come, when that is due. Raises StoreUnavailable."""
        is_due = at_once or time.monotonic() - self._saved_s >= SAVE_INTERVAL_S
        # What is on its way has changed memory already: that must not be written down before it is delivered.
        if is_due and self._shipment is None and self._placed is None:
            self._save(None)

    def close(self) -> None:
        """Write down how far it has come, if that can be; without it, more is sent again."""
        try:
            self.save(at_once=True)
        except StoreUnavailable as exc:
            log.warning("progress_not_saved", detail=str(exc))

    def _save(
        self, placed: Placed | None, pending: Sequence[Parcel] = (), refused: Sequence[Refused] = ()
    ) -> None:
        number = self._outbox.delivered if placed is None else placed.number
        self._saved_s = time.monotonic()
        is_needed = number != self._saved_number or self._unsaved or self._told or self._has_pending
        is_needed = is_needed or self._telling.is_unsaved
        if not (is_needed or pending or refused):
            return
        letters = self._letters(refused)
        with self._file.lock:
            try:
                with self._file.transaction() as db:
                    local.save_series(db, self._unsaved)
                    self.todo.save(db)
                    self._half_days.save(db)
                    self._ledger.count(db, self._uncounted - len(letters))
                    self._ledger.told(db, self._buckets.raw, self._told)
                    told_to = self._telling.save(db, self._buckets.raw)
                    if letters:
                        self._ledger.write_dead_letters(db, letters)
                    local.save_pending(db, pending)
                    db.execute("UPDATE counter SET n = ? WHERE name = 'delivered'", (number,))
                    self._outbox.trim(number)
                    pause_at("noting")
            except BaseException:
                self._outbox.rolled_back()
                raise
        self.todo.saved()
        self._half_days.saved()
        for known in self._unsaved:
            known.is_unsaved = False
        self._unsaved, self._told, self._uncounted = [], set(), 0
        self._has_pending, self._saved_number = bool(pending), number
        self._telling.saved(told_to)
        self.settled += Settled(refused=len(letters))

    def _letters(self, refused: Sequence[Refused]) -> list[DeadLetter]:
        """Return refused readings as dead letters: InfluxDB will never take them, and the others must go on."""
        if not refused:
            return []
        now_ns = time.time_ns()
        by_key = {known.key: known.series for known in list(self._registry.by_id.values())}
        letters = []
        for line, why in refused:
            device, metric = by_key[line.rsplit(b" value=", 1)[0]]
            topic = f"{topics.SENSORS}/{device}/{metric}"
            letters.append(DeadLetter(topic, line, "store_refused", why, now_ns))
        log.error("readings_refused", readings=len(refused), detail=refused[0].why)
        return letters
