"""One batch's way: decoded, made durable, announced. What is acknowledged afterwards is the caller's list, whole."""

import time
from collections import Counter
from collections.abc import Sequence

import msgspec
import structlog

from sensorline import topics
from sensorline.decoders import Decoders
from sensorline.errors import Rejected
from sensorline.mqtt import RawMessage
from sensorline.mqtt.arrivals import FLAG_DUP, FLAG_RETAIN
from sensorline.reading import Batch, DeadLetter, Receipt
from sensorline.stores.base import StoreWriter
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.receipts import Receipts, digest

log = structlog.get_logger()

OWN_TOPICS = (f"{topics.ACKS}/".encode(), b"sensorline/")
"""What ingest itself publishes. With a subscription such as `#` it comes back: a reject must not beget a reject."""


CONFIRM_PREFIX = f"{topics.CONFIRM}/".encode()
RETAINED_REJECTS_REMEMBERED = 10_000


class Totals(msgspec.Struct):
    """What this store has seen: readings and dead letters since it was made, repetitions since this start."""

    stored: int
    rejected: int
    repeated: int = 0


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
        self._retained_rejects: set[int] = set()
        self._begins_session = False
        state = writer.state()
        self.totals = Totals(state.readings, state.dead_letters)

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
        decode = self._decoders.decode
        for topic, payload, packet_id, flags, received_ns in messages:
            if packet_id:
                receipt = Receipt(packet_id, digest(topic, payload))
                if flags & FLAG_DUP and self._receipts.has(receipt):
                    self._metrics.duplicates.inc()
                    continue
                self._receipts.add(receipt)
                batch.packet_ids.append(receipt.packet_id)
                batch.digests.append(receipt.digest)
            if topic.startswith(CONFIRM_PREFIX):
                batch.confirm_tokens.append(topics.printable_topic(topic[len(CONFIRM_PREFIX) :])[:64])
                continue
            if (not payload and flags & FLAG_RETAIN) or topic.startswith(OWN_TOPICS):
                continue
            try:
                decoded = decode(topic, payload, bool(flags & FLAG_RETAIN), received_ns)
            except Rejected as exc:
                self._reject(batch, topic, payload, flags, received_ns, exc)
                continue
            except Exception as exc:
                # A mistake of ours: it must not stop the others, and the message is kept for the day it is mended.
                log.exception("decoder_failed", topic=topics.printable_topic(topic))
                mistake = Rejected("decoder_error", f"{type(exc).__name__}: {exc}")
                self._reject(batch, topic, payload, flags, received_ns, mistake)
                continue
            rejects = decoded.rejects
            for reading in decoded.readings:
                try:
                    self._cardinality.admit(reading.series)
                except Rejected as exc:
                    rejects = [*rejects, exc]
                    continue
                batch.add(reading)
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
            if rejects:
                more = f" (and {len(rejects) - 1} more)" if len(rejects) > 1 else ""
                first = Rejected(rejects[0].reason, f"{rejects[0].detail}{more}")
                self._reject(batch, topic, payload, flags, received_ns, first)
        return batch

    def _reject(
        self, batch: Batch, topic: bytes, payload: bytes, flags: int, received_ns: int, why: Rejected
    ) -> None:
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
        self.totals.stored += committed.stored
        self.totals.repeated += committed.repeated
        self.totals.rejected += len(batch.dead_letters)
        for reason, count in Counter(d.reason for d in batch.dead_letters).items():
            metrics.rejected.labels(reason).inc(count)
