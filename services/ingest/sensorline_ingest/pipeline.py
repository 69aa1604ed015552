"""One batch's way: decoded, made durable, announced. What is acknowledged afterwards is the caller's list, whole."""

import time
from collections import Counter
from collections.abc import Sequence

import msgspec
import structlog

from sensorline import topics
from sensorline.decoders import Decoded, Decoders
from sensorline.errors import Rejected, StoreUnavailable
from sensorline.mqtt import RawMessage
from sensorline.mqtt.arrivals import FLAG_DUP, FLAG_RETAIN
from sensorline.reading import Batch, DeadLetter, Series
from sensorline.stores.base import StoreWriter
from sensorline_ingest.balance import Balance
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.quick import QuickWay
from sensorline_ingest.receipts import Receipts, digest
from sensorline_ingest.tracking import Tracker

log = structlog.get_logger()

OWN_TOPICS = (f"{topics.ACKS}/".encode(), b"sensorline/")
"""What ingest itself publishes. With a subscription such as `#` it comes back: a reject must not beget a reject."""


CONFIRM_PREFIX = f"{topics.CONFIRM}/".encode()
RETAINED_REJECTS_REMEMBERED = 10_000
DEVICES_IN_METRICS = 100


class Totals(msgspec.Struct):
    """What has become of readings since the store was made.

    `accepted` were taken, which tracking counts before they are stored; a rejected message counts 1. What was `stored` and
    `rejected` the store says. `undecided` ones are durable, and the store has yet to find out whether they are repetitions.
    `unaccounted` = accepted - stored - rejected - duplicates - undecided: 0 while all is well. `repeated` readings are those
    of the duplicates that the store has found since this start.
    """

    accepted: int
    stored: int
    rejected: int
    duplicates: int
    repeated: int = 0
    undecided: int = 0
    unaccounted: int = 0


class Pipeline:
    """Decodes messages into a batch and commits it. Used by one thread."""

    def __init__(
        self, decoders: Decoders, writer: StoreWriter, cardinality: Cardinality, metrics: IngestMetrics
    ) -> None:
        self._decoders = decoders
        self._writer = writer
        self._cardinality = cardinality
        self._metrics = metrics
        self._receipts = Receipts(writer.receipts())
        native = decoders.native
        self._quick = QuickWay(native, self._decode_one) if native else None
        self._retained_rejects: set[int] = set()
        self._begins_session = False
        self.tracker = Tracker(writer)
        self._tracked = msgspec.structs.replace(self.tracker.books.totals)
        metrics.device_missing.ask = lambda: self.tracker.missing_of_devices(DEVICES_IN_METRICS)
        self._balance = Balance(metrics)
        self._repeated = 0
        self._ask_store()
        self._accepted = self.tracker.accepted

    @property
    def totals(self) -> Totals:
        """The counts at this moment."""
        accepted, duplicates = self.tracker.accepted, self.tracker.discarded
        stored, rejected, undecided = self._stored, self._rejected, self._undecided
        unaccounted = accepted - stored - rejected - duplicates - undecided
        return Totals(accepted, stored, rejected, duplicates, self._repeated, undecided, unaccounted)

    def _ask_store(self) -> None:
        state = self._writer.state()
        self._stored, self._rejected, self._undecided = state.readings, state.dead_letters, state.undecided

    def reconcile(self, now_s: float) -> None:
        """Once a second of this monotonic time, hold what was taken against what the store says. Not while a commit is tried again."""
        if self._balance.is_due(now_s) and self.tracker.is_between_commits:
            try:
                self._ask_store()
            except StoreUnavailable as exc:
                # The next commit meets the same trouble and says so.
                log.debug("balance_not_checked", detail=str(exc))
                return
            self._balance.note(self.totals.unaccounted, now_s)

    def begin_session(self) -> None:
        """The broker began a new session: what it sends again from now on was not received before."""
        self._receipts.clear()
        self._begins_session = True

    def decode(self, messages: Sequence[RawMessage]) -> Batch:
        """Return the batch that messages amount to; what the broker sent again and we have is left out.

        Never raises: whatever a message does wrong, it becomes a dead letter and the others become readings.
        """
        batch = Batch(begins_session=self._begins_session)
        self._begins_session = False
        self._receipts.begin_batch(batch.packet_ids, batch.digests)
        if self._quick is not None:
            self._quick.decode(messages, batch)
            self._metrics.ignored.inc(self._quick.ignored)
            self._quick.ignored = 0
        else:
            for message in messages:
                self._decode_one(batch, message)
        if messages:
            self.tracker.observe(batch, messages)
        return batch

    def _decode_one(self, batch: Batch, message: RawMessage) -> None:
        topic, payload, packet_id, flags, received_ns = message
        if packet_id:
            if flags & FLAG_DUP and self._receipts.has(packet_id, topic, payload):
                self._metrics.duplicates.inc()
                self._discard(message)
                return
            batch.packet_ids.append(packet_id)
            batch.digests.append(digest(topic, payload))
        if topic.startswith(CONFIRM_PREFIX):
            batch.confirm_tokens.append(topics.printable_topic(topic[len(CONFIRM_PREFIX) :])[:64])
            return
        if (not payload and flags & FLAG_RETAIN) or topic.startswith(OWN_TOPICS):
            return
        try:
            decoded = self._decoders.decode(topic, payload, bool(flags & FLAG_RETAIN), received_ns)
        except Rejected as exc:
            self._reject(batch, message, exc)
        except Exception as exc:
            # A mistake of ours: it must not stop the others, and the message is kept for the day it is mended.
            log.exception("decoder_failed", topic=topics.printable_topic(topic))
            self._reject(batch, message, Rejected("decoder_error", f"{type(exc).__name__}: {exc}"))
        else:
            rejects = self._take(batch, topic, decoded)
            if rejects:
                more = f" (and {len(rejects) - 1} more)" if len(rejects) > 1 else ""
                self._reject(batch, message, Rejected(rejects[0].reason, f"{rejects[0].detail}{more}"))

    def _discard(self, message: RawMessage) -> None:
        """Count what a message that we have says once more. It was understood or rejected when it came first."""
        topic, payload, _, flags, received_ns = message
        try:
            readings = self._decoders.decode(topic, payload, bool(flags & FLAG_RETAIN), received_ns).readings
        except Exception:  # noqa: BLE001 - whatever it is, it was told when the message came first
            return
        for device, count in Counter(reading.series.device for reading in readings).items():
            self.tracker.redelivered(device, count)
        self._metrics.discarded.inc(len(readings))
        self._count_accepted()

    def _take(self, batch: Batch, topic: bytes, decoded: Decoded) -> list[Rejected]:
        """Take what a message says into the batch; return what of it was rejected."""
        rejects = decoded.rejects
        admitted: dict[Series, None] = {}
        for reading in decoded.readings:
            try:
                self._cardinality.admit(reading.series)
            except Rejected as exc:
                rejects = [*rejects, exc]
                continue
            admitted[reading.series] = None
            batch.add(reading)
        if self._quick is not None and admitted and self._decoders.is_native(topic):
            self._quick.learn(topic, admitted)
        for facts in decoded.facts:
            try:
                self._cardinality.admit_facts(facts)
            except Rejected as exc:
                rejects = [*rejects, exc]
            else:
                batch.facts.append(facts)
        if decoded.state:
            self._metrics.state.inc(len(decoded.state))
        if decoded.ignored:
            self._metrics.ignored.inc(len(decoded.ignored))
        return rejects

    def _reject(self, batch: Batch, message: RawMessage, why: Rejected) -> None:
        topic, payload, _, flags, received_ns = message
        if flags & FLAG_RETAIN:
            # The broker sends what it retains at each of our subscriptions; once is enough to say what is wrong with it.
            key = digest(topic, payload)
            if key in self._retained_rejects:
                self._metrics.duplicates.inc()
                return
            if len(self._retained_rejects) >= RETAINED_REJECTS_REMEMBERED:
                self._retained_rejects.clear()
            self._retained_rejects.add(key)
        shown = topics.printable_topic(topic)
        batch.dead_letters.append(DeadLetter(shown, payload, why.reason, why.detail[:500], received_ns))

    def commit(self, batch: Batch) -> None:
        """Make a batch durable and count it. Raises StoreUnavailable; the same batch may be given again."""
        begun_s = time.perf_counter()
        committed = self._writer.commit(batch)
        metrics = self._metrics
        metrics.commit_seconds.observe(time.perf_counter() - begun_s)
        metrics.stored.inc(committed.stored)
        metrics.repeated.inc(committed.repeated)
        metrics.shifted.inc(committed.shifted)
        metrics.discarded.inc(committed.repeated)
        self.tracker.committed(committed)
        self._count_accepted()
        self._count_tracked()
        self._stored += committed.stored
        self._undecided += committed.undecided
        self._repeated += committed.repeated
        self._rejected += len(batch.dead_letters)
        for reason, count in Counter(d.reason for d in batch.dead_letters).items():
            metrics.rejected.labels(reason).inc(count)

    def _count_accepted(self) -> None:
        accepted = self.tracker.accepted
        self._metrics.accepted.inc(accepted - self._accepted)
        self._accepted = accepted

    def _count_tracked(self) -> None:
        totals, before, metrics = self.tracker.books.totals, self._tracked, self._metrics
        metrics.missing.set(totals.missing)
        if totals.late != before.late or totals.out_of_order != before.out_of_order:
            metrics.late.inc(totals.late - before.late)
            metrics.out_of_order.inc(totals.out_of_order - before.out_of_order)
            self._tracked = msgspec.structs.replace(totals)

    def settle(self) -> None:
        """Count what the store has found out since: about readings that commits left undecided, or that it was refused."""
        settled = self._writer.settled()
        metrics = self._metrics
        metrics.stored.inc(settled.stored)
        metrics.repeated.inc(settled.repeated)
        metrics.shifted.inc(settled.shifted)
        metrics.refused.inc(settled.refused)
        metrics.discarded.inc(settled.repeated)
        self.tracker.settled(settled)
        self._stored += settled.stored - settled.refused
        self._undecided -= settled.stored + settled.repeated
        self._repeated += settled.repeated
        self._rejected += settled.refused
