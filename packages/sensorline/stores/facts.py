"""Facts about a device add up: a newer word replaces an older one, silence replaces nothing."""

import msgspec

from sensorline.reading import DeviceFacts


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
        changes["units"] = before.units | news.units
    if news.names:
        changes["names"] = before.names | news.names
    return msgspec.structs.replace(before, **changes)
