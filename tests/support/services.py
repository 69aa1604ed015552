"""Sensorline's own services as real processes."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import SENSORLINE, Process
from tests.support.waiting import wait_until


def http_get(url: str, timeout_s: float = 5.0) -> tuple[int, str]:
    """Return status and body of a page, also of one with an error status; (0, reason) when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


class Ingest(Process):
    """`sensorline ingest` on a store of its own; its health port is a free one, read from its log."""

    def __init__(
        self, folder: Path, broker: Mapping[str, object], *, name: str = "ingest", **settings: object
    ) -> None:
        self.store = Path(str(settings.pop("STORE_PATH", folder / "sensorline.db")))
        base: dict[str, object] = {"INGEST_HTTP_PORT": 0, "LOG_FORMAT": "json", "STORE_PATH": self.store}
        super().__init__(name, [*SENSORLINE, "ingest"], folder, base | dict(broker) | settings)

    @property
    def url(self) -> str:
        """Where /healthz, /readyz and /metrics of the newest life are."""
        port = self.wait_for_output(r'"health_port": (\d+)')[1]
        return f"http://127.0.0.1:{port}"

    def start_ready(self, deadline_s: float = 20.0) -> "Ingest":
        """Start, and return when /readyz says that the broker and the store are there."""
        self.start()
        self.wait_ready(deadline_s)
        return self

    def wait_ready(self, deadline_s: float = 20.0) -> None:
        """Return when /readyz says yes."""

        def ready() -> bool:
            assert self.is_running, f"{self.name} ended with {self.exit_code}\n{self.output()}"
            return http_get(f"{self.url}/readyz")[0] == 200

        wait_until(ready, deadline_s, lambda: f"{self.name} to be ready\n{self.output()}")

    def checks(self) -> dict[str, str]:
        """Return what /readyz says of each thing that ingest depends on."""
        answer: dict[str, str] = json.loads(http_get(f"{self.url}/readyz")[1])
        return answer

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels, from /metrics."""
        total = 0.0
        for line in http_get(f"{self.url}/metrics")[1].splitlines():
            if line.startswith(name) and line[len(name)] in " {":
                total += float(line.rsplit(" ", 1)[1])
        return total
