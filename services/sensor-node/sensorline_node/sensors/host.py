"""The machine itself: processor, memory, disk, network, temperatures, by psutil. Works on any machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensorline.errors import SensorError
from sensorline_node.sensors.base import Measurement, slug


class HostSensor:
    """What the operating system counts. Processor and network are rates between two reads, so the first has none.

    `disk` is a folder on the disk to watch. `source` is psutil or something with the same functions.
    """

    name = "host"
    is_simulated = False

    def __init__(
        self,
        disk: Path = Path("/"),
        source: Any = None,
        now_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._disk = disk
        self._source = source
        self._now_s = now_s
        self._wall_s = wall_s
        self._network_before: tuple[float, int, int] | None = None
        self._has_processor_times = False

    def open(self) -> None:
        """Import psutil. Raises SensorError if it is missing."""
        if self._source is None:
            try:
                import psutil
            except ImportError:
                raise SensorError(
                    self.name, "the Python package psutil is missing; pip install 'sensorline[node]'"
                ) from None
            self._source = psutil

    def read(self) -> list[Measurement]:
        """Return all that this machine has; what it does not have (swap, temperatures) is absent."""
        ps = self._source
        out = self._processor(ps)
        memory = ps.virtual_memory()
        out.append(Measurement("memory", memory.percent, "%", name="Memory used"))
        swap = ps.swap_memory()
        if swap.total:
            out.append(Measurement("swap", swap.percent, "%", name="Swap used"))
        try:
            percent = ps.disk_usage(str(self._disk)).percent
        except OSError as exc:
            raise SensorError(
                self.name, f"disk {self._disk}: {exc.strerror}; set NODE_HOST_DISK to a folder that exists"
            ) from exc
        out.append(Measurement("disk", percent, "%", name="Disk used"))
        out += self._network(ps)
        out += self._temperatures(ps)
        out.append(Measurement("uptime", round(self._wall_s() - ps.boot_time()), "s", name="Uptime"))
        return out

    def close(self) -> None:
        """Forget the counters: after a failure rates begin anew."""
        self._network_before = None
        self._has_processor_times = False

    def _processor(self, ps: Any) -> list[Measurement]:
        out = []
        percent = ps.cpu_percent(interval=None)
        # The first call only notes the counters and returns a meaningless 0.
        if self._has_processor_times:
            out.append(Measurement("cpu", percent, "%", name="Processor"))
        self._has_processor_times = True
        for minutes, load in zip((1, 5, 15), ps.getloadavg(), strict=True):
            out.append(Measurement(f"load_{minutes}m", round(load, 2), name=f"Load, {minutes} min"))
        return out

    def _network(self, ps: Any) -> list[Measurement]:
        counters = ps.net_io_counters(pernic=True)
        # The loopback's bytes never leave the machine.
        real = [c for nic, c in counters.items() if nic != "lo" and not nic.startswith("lo0")]
        now = (self._now_s(), sum(c.bytes_recv for c in real), sum(c.bytes_sent for c in real))
        before, self._network_before = self._network_before, now
        if before is None or now[0] <= before[0]:
            return []
        elapsed_s = now[0] - before[0]
        # An interface that goes away or begins to count anew makes the sum smaller: no rate for this time.
        if now[1] < before[1] or now[2] < before[2]:
            return []
        return [
            Measurement(
                "network_receive", round((now[1] - before[1]) / elapsed_s, 1), "B/s", name="Network in"
            ),
            Measurement(
                "network_transmit", round((now[2] - before[2]) / elapsed_s, 1), "B/s", name="Network out"
            ),
        ]

    def _temperatures(self, ps: Any) -> list[Measurement]:
        # psutil has this function only where the system can tell.
        chips = ps.sensors_temperatures() if hasattr(ps, "sensors_temperatures") else {}
        out: dict[str, Measurement] = {}
        for chip, entries in chips.items():
            for i, entry in enumerate(entries, 1):
                label = entry.label or (str(i) if len(entries) > 1 else "")
                metric = "_".join(["temperature", slug(chip), *([slug(label)] if label else [])])
                if metric in out:
                    metric = f"{metric}_{i}"
                if entry.current is not None:
                    out[metric] = Measurement(metric, entry.current, "°C", name=f"{chip} {label}".strip())
        return list(out.values())
