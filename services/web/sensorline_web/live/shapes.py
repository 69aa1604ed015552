"""The JSON shapes of devices and series, the same in REST answers and in live events. Times are epoch milliseconds."""

from typing import Any

from sensorline.events import Account
from sensorline.reading import DeviceFacts, Series, Status
from sensorline_web.instants import to_ms, to_ms_or_none
from sensorline_web.live.state import Device


def device_entry(device: Device) -> dict[str, Any]:
    """Return a device without its metrics: the live event `device`."""
    facts = device.facts
    return {
        "device": facts.device,
        "name": facts.name,
        "location": facts.location,
        "status": facts.status or Status.UNKNOWN,
        "status_at": to_ms_or_none(facts.status_at_ns),
        "last_seen": to_ms_or_none(device.last_seen_ns),
        "interval_s": facts.interval_s,
        "simulated": bool(facts.simulated),
    }


def device_with_metrics(device: Device) -> dict[str, Any]:
    """Return a device with the latest value of each metric and its account: an entry of GET devices."""
    facts = device.facts
    metrics = [
        {
            "metric": metric,
            "name": facts.names.get(metric),
            "unit": facts.units.get(metric),
            "time": to_ms(latest.time_ns),
            "value": latest.value,
        }
        for metric, latest in device.latest.items()
    ]
    return device_entry(device) | {"metrics": metrics, "account": account_entry(device.account)}


_ACCOUNT = (
    *("received", "stored", "rejected", "duplicates", "missing", "late", "out_of_order", "refused"),
    *("interval_s", "skew_ms"),
)


def account_entry(account: Account | None) -> dict[str, Any] | None:
    """Return what has become of a device's readings; None while ingest has not said."""
    return None if account is None else {name: getattr(account, name) for name in _ACCOUNT}


def latest_entries(device: Device) -> list[dict[str, Any]]:
    """Return the latest value of each of a device's series: entries of GET latest."""
    return [
        {
            "device": device.facts.device,
            "metric": metric,
            "unit": device.facts.units.get(metric),
            "time": to_ms(latest.time_ns),
            "value": latest.value,
        }
        for metric, latest in device.latest.items()
    ]


def metric_entry(series: Series, facts: DeviceFacts) -> dict[str, Any]:
    """Return what to know of a series besides its readings: the live event `metric`."""
    return {
        "device": series.device,
        "metric": series.metric,
        "unit": facts.units.get(series.metric),
        "name": facts.names.get(series.metric),
    }
