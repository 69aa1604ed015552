"""`sensorline doctor` as a process, and what it said."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.brokers import Broker, Mosquitto
from tests.support.ports import free_port
from tests.support.processes import Processes, run_sensorline


class Report:
    """What the doctor said, as JSON."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.exit_code = done.returncode
        self.text = done.stdout.decode() + done.stderr.decode()
        assert done.stdout, self.text
        self.body: dict[str, Any] = json.loads(done.stdout)

    def of(self, check: str, part: str = "broker") -> dict[str, str]:
        """Return the one finding of a check."""
        found = [f for f in self.body["findings"] if (f["part"], f["check"]) == (part, check)]
        assert len(found) == 1, f"{part}/{check}: {found}\n{self.text}"
        return dict(found[0])

    def problems(self, part: str = "broker") -> list[str]:
        """Return the checks of a part that are problems."""
        return [f["check"] for f in self.body["findings"] if (f["part"], f["level"]) == (part, "problem")]


class Doctor:
    """Asks in a folder of its own, and looks at nobody else's services."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, settings: Mapping[str, object], *options: str) -> Report:
        """Return the report with these settings."""
        nobody = f"http://127.0.0.1:{free_port()}"
        options = ("doctor", "--json", "--ingest-url", nobody, "--web-url", nobody, *options)
        return Report(run_sensorline(*options, folder=self._folder, settings=settings, timeout_s=60))


def plain_mosquitto(processes: Processes, folder: Path, extra: str, without: str = "max_") -> Broker:
    """Start a Mosquitto with these lines, and without those of ours that begin with `without`."""
    broker = Mosquitto(folder / "broker", extra=extra)
    conf = broker.folder / "mosquitto.conf"
    own, added = conf.read_text().split("user root\n")
    kept = [line for line in own.splitlines() if not line.startswith(without)]
    conf.write_text("\n".join([*kept, "user root", added]))
    processes.add(broker)
    broker.start()
    return broker
