"""Everything that ingest counts, declared once."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

# A second series for each counter, with the time at which it was made, would double the page and tell nobody anything.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client leaves it without annotations


class DeviceMissing(Collector):
    """Missing numbers of the devices that miss most, asked for when somebody looks: a device that misses none has no line."""

    def __init__(self) -> None:
        self.ask: Callable[[], dict[str, int]] = dict

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the family without its lines."""
        yield GaugeMetricFamily(
            "sensorline_ingest_device_missing", "Numbers that never came, by device", labels=["device"]
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the family."""
        for family in self.describe():
            for device, count in self.ask().items():
                family.add_metric([device], count)
            yield family


class IngestMetrics:
    """Ingest's metrics in a registry of their own, so that two ingests in one test do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.messages = Counter(
            "sensorline_ingest_messages_received", "Messages taken from the broker", registry=r
        )
        self.duplicates = Counter(
            "sensorline_ingest_messages_repeated",
            "Messages sent again by the broker that were stored before",
            registry=r,
        )
        self.dropped_qos0 = Gauge(
            "sensorline_ingest_messages_dropped_qos0",
            "QoS 0 messages dropped because the store was slower",
            registry=r,
        )
        self.stored = Counter(
            "sensorline_ingest_readings_stored", "Readings stored for the first time", registry=r
        )
        self.repeated = Counter(
            "sensorline_ingest_readings_repeated", "Readings that were stored before", registry=r
        )
        self.shifted = Counter(
            "sensorline_ingest_readings_shifted",
            "Readings kept 1 ns or more later, their time being taken",
            registry=r,
        )
        self.refused = Counter(
            "sensorline_ingest_readings_refused",
            "Readings counted as stored that the store has refused since: dead letters now",
            registry=r,
        )
        self.state = Counter(
            "sensorline_ingest_readings_state",
            "Retained values without a time: shown, not stored",
            registry=r,
        )
        self.accepted = Counter(
            "sensorline_ingest_readings_accepted",
            "Readings taken, a rejected message counting 1, counted before they are stored",
            registry=r,
        )
        self.unaccounted = Gauge(
            "sensorline_ingest_readings_unaccounted",
            "Readings taken that are neither stored, rejected, discarded nor undecided: 0 while all is well",
            registry=r,
        )
        self.discarded = Counter(
            "sensorline_ingest_readings_discarded",
            "Readings that we had already: repeated, or sent again by the broker",
            registry=r,
        )
        self.missing = Gauge(
            "sensorline_ingest_readings_missing", "Numbers (seq) that never came, now", registry=r
        )
        self.late = Counter(
            "sensorline_ingest_readings_late",
            "Readings older than 10 s, or three intervals, when received",
            registry=r,
        )
        self.out_of_order = Counter(
            "sensorline_ingest_readings_out_of_order",
            "Readings older than one of their series before",
            registry=r,
        )
        self.device_missing = DeviceMissing()
        r.register(self.device_missing)
        self.rejected = Counter(
            "sensorline_ingest_messages_rejected", "Messages kept as dead letters", ["reason"], registry=r
        )
        self.ignored = Counter(
            "sensorline_ingest_members_ignored",
            "Members of objects that are no readings by the rules",
            registry=r,
        )
        self.commit_seconds = Histogram(
            "sensorline_ingest_commit_seconds",
            "Time to make a batch durable",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
            registry=r,
        )
        self.commit_failures = Counter(
            "sensorline_ingest_commit_failures", "Commits that failed and were tried again", registry=r
        )
        self.waiting = Gauge(
            "sensorline_ingest_messages_waiting",
            "Messages received and not yet taken for a commit",
            registry=r,
        )
        self.undelivered = Gauge(
            "sensorline_ingest_readings_undelivered",
            "Readings in the journal that the store does not have yet",
            registry=r,
        )
        self.undelivered_seconds = Gauge(
            "sensorline_ingest_readings_undelivered_seconds", "Age of the oldest of these", registry=r
        )
        self.journal_fullness = Gauge(
            "sensorline_ingest_journal_fullness", "Share of STORE_JOURNAL_MAX_MB that they take", registry=r
        )
        self.dirty_windows = Gauge(
            "sensorline_ingest_rollup_windows_waiting", "Rollup minutes to recompute", registry=r
        )
        self.connected = Gauge(
            "sensorline_ingest_broker_connected", "1 while the broker session is open", registry=r
        )
