"""The web service's metrics, declared once. A registry is given, so that two apps in one process do not meet."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class WebMetrics:
    """Counters, gauges and histograms of one web process; labels are bounded sets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.clients = Gauge("sensorline_web_clients", "Live connections now", registry=registry)
        self.clients_refused = Counter(
            "sensorline_web_clients_refused", "Live connections refused: too many", registry=registry
        )
        self.clients_cut = Counter(
            "sensorline_web_clients_cut",
            "Live connections ended because the browser did not keep up",
            registry=registry,
        )
        self.groups = Gauge(
            "sensorline_web_groups", "Groups of browsers that watch the same", registry=registry
        )
        self.frames_sent = Counter(
            "sensorline_web_frames_sent", "Live frames, one for each group and tick", registry=registry
        )
        self.client_frames = Counter(
            "sensorline_web_client_frames",
            "Frames for single clients: written straight to the socket, or queued in Engine.IO",
            ["path"],
            registry=registry,
        )
        self.frames_skipped = Counter(
            "sensorline_web_frames_skipped",
            "Frames replaced by newer ones because their client had not taken those before",
            registry=registry,
        )
        self.readings_received = Counter(
            "sensorline_web_readings_received", "Readings that came from the broker", registry=registry
        )
        self.readings_skipped = Counter(
            "sensorline_web_readings_skipped",
            "Readings left out of frames because newer ones of their series were waiting",
            registry=registry,
        )
        self.messages_ignored = Counter(
            "sensorline_web_messages_ignored",
            "Messages without a reading; ingest announces why",
            registry=registry,
        )
        self.request_seconds = Histogram(
            "sensorline_web_request_seconds",
            "Time to answer an HTTP request, without streaming its body",
            ["endpoint"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.responses = Counter(
            "sensorline_web_responses", "HTTP responses", ["endpoint", "status"], registry=registry
        )
