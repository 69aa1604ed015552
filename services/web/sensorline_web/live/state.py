"""What is known now: devices with their facts, series with their latest reading. No I/O, no clock.

Filled from two sides, in any order: by the store when it can be read, and by what the broker brings.
"""

import threading
from collections.abc import Iterable

import msgspec

from sensorline.decoders import Decoded
from sensorline.events import Account
from sensorline.reading import DeviceFacts, Series
from sensorline.stores.base import DeviceInfo, SeriesInfo
from sensorline.stores.facts import merge_facts

MAX_SERIES = 20_000
"""Series and devices beyond this many are not shown: somebody publishes under names without end."""


class Latest(msgspec.Struct, frozen=True, gc=False):
    """The newest value of a series. `is_state`: a retained message without a time, so `time_ns` is when we received it."""

    time_ns: int
    value: float
    is_state: bool = False


class Device(msgspec.Struct, frozen=True, gc=False):
    """A device: its facts, the time of its newest reading, its series by metric, and its account if the store has one."""

    facts: DeviceFacts
    last_seen_ns: int | None
    latest: dict[str, Latest]
    account: Account | None = None


class Changes(msgspec.Struct):
    """What browsers have to be told: devices whose facts changed, series that are new or have another unit or name."""

    devices: list[str] = []
    series: list[Series] = []


class LiveState:
    """Devices and series, safe for several threads. What it returns are values that nobody changes."""

    def __init__(self, max_series: int = MAX_SERIES) -> None:
        self._max_series = max_series
        self._lock = threading.Lock()
        self._facts: dict[str, DeviceFacts] = {}
        self._seen_ns: dict[str, int] = {}
        self._latest: dict[str, dict[str, Latest]] = {}
        self._accounts: dict[str, Account] = {}
        self._series_count = 0
        self.not_shown = 0

    def apply(self, decoded: Decoded) -> Changes:
        """Take in what one message said."""
        changes = Changes()
        with self._lock:
            for facts in decoded.facts:
                self._merge(facts, changes, is_newer=True)
            for reading in decoded.readings:
                self._note(reading.series, Latest(reading.time_ns, reading.value), changes)
            for reading in decoded.state:
                self._note(reading.series, Latest(reading.time_ns, reading.value, True), changes)
        return _once(changes)

    def load(
        self, devices: Iterable[DeviceInfo], latest: Iterable[SeriesInfo], accounts: Iterable[Account] = ()
    ) -> Changes:
        """Take in what the store knows; what the broker said meanwhile is newer and stays."""
        changes = Changes()
        with self._lock:
            for info in devices:
                self._merge(info.facts, changes, is_newer=False)
                if info.last_seen_ns is not None:
                    self._see(info.facts.device, info.last_seen_ns)
            for item in latest:
                self._note(item.series, Latest(item.time_ns, item.value), changes)
            self._accounts = {account.device: account for account in accounts}
        return _once(changes)

    def devices(self) -> list[Device]:
        """Return every device, by name; its series by metric."""
        with self._lock:
            return [self._device(name) for name in sorted(self._facts)]

    def device(self, name: str) -> Device | None:
        """Return one device, or None."""
        with self._lock:
            return self._device(name) if name in self._facts else None

    def metrics_of(self, name: str) -> list[str]:
        """Return the metrics of a device, sorted; none for an unknown one."""
        with self._lock:
            return sorted(self._latest.get(name, ()))

    def knows(self, series: Series) -> bool:
        """Tell whether a series has a latest value here."""
        with self._lock:
            return series.metric in self._latest.get(series.device, ())

    def _device(self, name: str) -> Device:
        latest = self._latest.get(name, {})
        metrics = {metric: latest[metric] for metric in sorted(latest)}
        return Device(self._facts[name], self._seen_ns.get(name), metrics, self._accounts.get(name))

    def _merge(self, facts: DeviceFacts, changes: Changes, *, is_newer: bool) -> None:
        before = self._facts.get(facts.device)
        if before is None:
            if len(self._facts) >= self._max_series:
                self.not_shown += 1
                return
            after = facts
        else:
            after = merge_facts(before, facts) if is_newer else merge_facts(facts, before)
        if after == before:
            return
        self._facts[facts.device] = after
        changes.devices.append(facts.device)
        if before is not None and (after.units != before.units or after.names != before.names):
            changes.series += [
                Series(facts.device, metric)
                for metric in self._latest.get(facts.device, ())
                if after.units.get(metric) != before.units.get(metric)
                or after.names.get(metric) != before.names.get(metric)
            ]

    def _note(self, series: Series, latest: Latest, changes: Changes) -> None:
        of_device = self._latest.get(series.device)
        before = of_device.get(series.metric) if of_device is not None else None
        if before is None:
            if self._series_count >= self._max_series:
                self.not_shown += 1
                return
            self._series_count += 1
            if series.device not in self._facts:
                self._facts[series.device] = DeviceFacts(series.device)
                changes.devices.append(series.device)
            changes.series.append(series)
            self._latest.setdefault(series.device, {})[series.metric] = latest
        elif _replaces(latest, before):
            assert of_device is not None
            of_device[series.metric] = latest
        if not latest.is_state:
            self._see(series.device, latest.time_ns)

    def _see(self, device: str, time_ns: int) -> None:
        if time_ns > self._seen_ns.get(device, -1):
            self._seen_ns[device] = time_ns


def _replaces(new: Latest, before: Latest) -> bool:
    """A reading replaces an older one, and any mere state; a state replaces only another state."""
    if new.is_state:
        return before.is_state
    return before.is_state or new.time_ns >= before.time_ns


def _once(changes: Changes) -> Changes:
    return Changes(list(dict.fromkeys(changes.devices)), list(dict.fromkeys(changes.series)))
