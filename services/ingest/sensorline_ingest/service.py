"""Ingest as a whole: its parts, put together, and the one loop that drives them."""

import signal
import threading
import time
from collections import deque

import msgspec
import structlog

from sensorline import topics
from sensorline.decoders import build_decoders, time_limits
from sensorline.errors import StoreUnavailable
from sensorline.mqtt import MqttLink
from sensorline.pausing import pause_at
from sensorline.reading import Batch
from sensorline.settings import DecodingSettings, MqttSettings, StoreSettings
from sensorline.stores import opening
from sensorline.stores.base import StoreWriter
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline_ingest.announcer import Announcer, Instance, offline_will
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.claim import StoreLock, claim_session
from sensorline_ingest.clock import CautiousClock
from sensorline_ingest.collector import calm_collector
from sensorline_ingest.health import HealthServer, delivery_check
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.pipeline import Pipeline
from sensorline_ingest.settings import IngestSettings
from sensorline_ingest.watchdog import Watchdog

log = structlog.get_logger()

IDLE_S = 0.25
GATHER_S = 0.25
"""Four commits a second carry a trickle as well as a hundred do: nobody sees ingest's part of the way live. Not longer: the
page takes it that history has what is a second old (EDGE_MS in merge.js)."""
RETRY_FIRST_S, RETRY_LAST_S = 0.1, 5.0


class Ingest:
    """Runs until `stop()`: takes what has arrived, commits it, acknowledges it, tells the world."""

    def __init__(
        self,
        settings: IngestSettings,
        mqtt: MqttSettings,
        store: StoreSettings,
        decoding: DecodingSettings,
        influx: InfluxSettings,
    ) -> None:
        self._settings = settings
        self._mqtt = mqtt
        self._stopping = threading.Event()
        self._connections: deque[bool] = deque()
        self._store_failed_ns = 0
        self._store_problem = ""
        self._metrics = IngestMetrics()
        self._clock = CautiousClock()
        path = opening.local_path(store, influx)
        self._store_kind = opening.kind(influx)
        self._instance = Instance.here(str(path.absolute()), settings.client_id)
        self._lock = StoreLock(path, self._instance)
        self._writer: StoreWriter = opening.open_writer(store, influx)
        self._decoders = build_decoders(time_limits(decoding, store))
        cardinality = Cardinality(self._writer.series(), settings.max_series, settings.max_metrics_per_device)
        self._pipeline = Pipeline(self._decoders, self._writer, cardinality, self._metrics)
        self._link = MqttLink(
            mqtt,
            client_id=settings.client_id,
            clean_session=False,
            subscriptions=[
                *((topic_filter, settings.qos) for topic_filter in settings.topics or self._decoders.filters),
                (f"{topics.CONFIRM}/+", 1),
            ],
            will=offline_will(self._instance),
            canary=True,
            gather_s=GATHER_S,
            on_connected=self._note_connection,
        )
        # Asked when it is read: a commit that hangs must not hide how many wait behind it.
        self._metrics.waiting.set_function(lambda: self._link.waiting_count)
        self._metrics.undelivered.set_function(lambda: self._writer.backlog().readings)
        self._metrics.undelivered_seconds.set_function(lambda: self._writer.backlog().oldest_s)
        self._metrics.journal_fullness.set_function(lambda: self._writer.backlog().fullness)
        self._announcer = Announcer(self._link, self._instance)
        self._watchdog = Watchdog(self._link.check_alive)
        self._health = HealthServer(
            settings.http_host, settings.http_port, self._metrics.registry, self.checks
        )

    @property
    def health_port(self) -> int:
        """The port of /healthz, /readyz and /metrics."""
        return self._health.port

    def stop(self) -> None:
        """Ask the loop to finish: what was taken is committed and acknowledged first. Safe in a signal handler."""
        self._stopping.set()

    def checks(self) -> dict[str, str]:
        """Return what readiness depends on: `ok`, or what is wrong in words."""
        broker = "ok" if self._link.is_subscribed else self._link.refusal or "not connected yet"
        return {"broker": broker, "store": self._store_problem or delivery_check(self._writer.backlog())}

    def _note_connection(self, session_present: bool) -> None:
        # In the network thread: the loop takes it up.
        self._connections.append(session_present)

    def run(self) -> None:
        """Work until stopped. Raises StartupError when another ingest holds the session."""
        try:
            claim_session(self._mqtt, self._instance, self._stopping.is_set)
            self._link.start()
            self._watchdog.start()
            try:
                self._loop()
            finally:
                self._watchdog.stop()
                self._tell_status("stopped", at_once=True)
                self._link.stop()
        finally:
            self._health.stop()
            self._writer.close()
            self._lock.release()

    def _loop(self) -> None:
        generation, session = 0, 0
        upkeep_due_s = 0.0
        linger_s = self._settings.linger_ms / 1000
        while not self._stopping.is_set():
            self._watchdog.pulse()
            arrivals = self._link.take(IDLE_S, self._settings.batch_max, linger_s)
            if arrivals is not None:
                self._metrics.messages.inc(len(arrivals.messages))
                self._note_connections()
                if arrivals.session != session:
                    session = arrivals.session
                    self._pipeline.begin_session()
                batch = self._pipeline.decode(arrivals.messages)
                if not self._commit(batch):
                    return
                pause_at("committed")
                self._link.ack(arrivals)
                pause_at("acknowledged")
                self._announcer.committed(batch)
                pause_at("confirmed")
            self._note_connections()
            if not self._tell_overdue():
                return
            now_s = time.monotonic()
            if now_s >= upkeep_due_s and not self._upkeep():
                upkeep_due_s = now_s + IDLE_S
            self._tell_status("running", at_once=generation != self._link.generation)
            generation = self._link.generation

    def _note_connections(self) -> None:
        while self._connections:
            present = self._connections.popleft()
            self._pipeline.tracker.listen(time.time_ns(), session_lost=not present)

    def _tell_overdue(self) -> bool:
        """Commit and announce what no message has brought: silences, holes that stayed. False as for `_commit`."""
        tracker, now_ns = self._pipeline.tracker, time.time_ns()
        backlog = self._writer.backlog()
        if backlog.problem:
            tracker.troubles.store_away(now_ns - int(backlog.away_s * 1e9), now_ns, backlog.problem)
        else:
            tracker.troubles.store_back(now_ns)
        is_listening = self._link.is_subscribed and not self._link.waiting_count
        batch = tracker.overdue(now_ns, is_listening=is_listening)
        if batch is None:
            return True
        if not self._commit(batch):
            return False
        self._announcer.committed(batch)
        return True

    def _commit(self, batch: Batch) -> bool:
        """Commit, for as long as it takes; False if the service is to stop first (then nothing is acknowledged)."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                self._pipeline.commit(batch)
            except StoreUnavailable as exc:
                self._metrics.commit_failures.inc()
                failed_ns = time.time_ns()
                self._store_failed_ns = self._store_failed_ns or failed_ns
                self._pipeline.tracker.troubles.store_away(self._store_failed_ns, failed_ns, str(exc))
                if str(exc) != self._store_problem:
                    self._store_problem = str(exc)
                    log.error(
                        "store_unavailable",
                        detail=f"{exc}; holding and trying again",
                        messages=len(batch.packet_ids),
                    )
                self._watchdog.pulse()
                self._tell_status("store_unavailable")
                if self._stopping.wait(wait_s):
                    return False
                wait_s = min(wait_s * 2, RETRY_LAST_S)
                continue
            self._store_failed_ns = 0
            if self._store_problem:
                log.info("store_available_again")
                self._store_problem = ""
            return True

    def _upkeep(self) -> bool:
        """Do a step of upkeep; True if there is more to do at once."""
        try:
            more = self._writer.maintain(self._clock.now_ns())
        except StoreUnavailable as exc:
            # The next commit meets the same trouble and says so; upkeep comes again.
            log.debug("upkeep_failed", detail=str(exc))
            return False
        return more

    def _tell_status(self, state: str, at_once: bool = False) -> None:
        metrics = self._metrics
        metrics.connected.set(self._link.is_connected)
        metrics.dropped_qos0.set(self._link.dropped_qos0)
        metrics.dirty_windows.set(self._writer.waiting_windows)
        backlog = self._writer.backlog()
        self._pipeline.settle()
        if state == "running":
            self._pipeline.reconcile(time.monotonic())
        totals = msgspec.structs.asdict(self._pipeline.totals)
        tracked = self._pipeline.tracker.books.totals
        facts = {
            "store": self._store_kind,
            "backlog": self._link.waiting_count,
            "undelivered": backlog.readings,
            "undelivered_s": round(backlog.oldest_s),
            "journal_fullness": round(backlog.fullness, 2),
            **totals,
            "missing": tracked.missing,
            "late": tracked.late,
        }
        self._announcer.status(state, facts, at_once=at_once)


def run(
    settings: IngestSettings,
    mqtt: MqttSettings,
    store: StoreSettings,
    decoding: DecodingSettings,
    influx: InfluxSettings,
) -> None:
    """Run ingest in this process until SIGTERM or SIGINT. Raises StartupError, StoreUnavailable or StoreTooNew."""
    ingest = Ingest(settings, mqtt, store, decoding, influx)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ingest.stop())
    where = f"{influx.url} {influx.bucket}" if influx.is_chosen else str(store.path)
    calm_collector()
    log.info("ingest_started", store=where, health_port=ingest.health_port)
    ingest.run()
    log.info("ingest_stopped")
