"""Facts about a device add up: a newer word replaces an older one, silence replaces nothing."""

from typing import Final

import msgspec

from sensorline.reading import DeviceFacts

MAX_ENTRIES: Final = 10_000
"""Units and names kept for one device: a device that invents names must not fill memory."""


def merge_facts(before: DeviceFacts, news: DeviceFacts) -> DeviceFacts:
    """Return what is known after `news`; both are of one device."""
    changes = {
        field: value
        for field in ("status", "status_at_ns", "name", "location", "interval_s", "simulated")
        if (value := getattr(news, field)) is not None
    }
    if news.status is not None and news.status == before.status:
        # The same word again, for example the retained one at each of our starts, did not happen now.
        changes.pop("status_at_ns", None)
    if news.units:
        changes["units"] = _bounded(before.units, news.units)
    if news.names:
        changes["names"] = _bounded(before.names, news.names)
    return msgspec.structs.replace(before, **changes)


def _bounded(before: dict[str, str], news: dict[str, str]) -> dict[str, str]:
    """Return both, news first where they differ; above the bound, only metrics that were known are changed."""
    room = MAX_ENTRIES - len(before)
    new = [metric for metric in news if metric not in before]
    dropped = set(new[max(room, 0) :])
    return before | {metric: text for metric, text in news.items() if metric not in dropped}
