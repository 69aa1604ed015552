"""Names of devices and metrics on their way into line protocol, InfluxQL and Flux, and back.

Line protocol: docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/#special-characters. A backslash cannot be
escaped there, and one before a comma, a blank or the end of a name would change what the line means.
"""

from collections.abc import Iterable

from sensorline.errors import StoreUnavailable
from sensorline.reading import Series

MANY_NAMES = 200
"""With more than these a statement asks for all, which is shorter than the list."""

_BACKSLASH = "\ue05c"
"""Private use: no printable name has it (topics.check_name), so that going there and back gives the same name."""


def stored_name(name: str) -> str:
    """Return the name under which InfluxDB keeps `name`. Raises StoreUnavailable for one that line protocol cannot hold."""
    if not name or not name.isprintable():
        raise StoreUnavailable(f"cannot store the name {name!r}: expected printable characters")
    return name.replace("\\", _BACKSLASH)


def shown_name(name: str) -> str:
    """Return the name that is kept as `name`."""
    return name.replace(_BACKSLASH, "\\")


def line_key(device: str, metric: str) -> bytes:
    """Return `measurement,device=…` of a series, escaped for line protocol."""
    measurement = stored_name(metric).replace(",", "\\,").replace(" ", "\\ ")
    return f"{measurement},device={tag_value(device)}".encode()


def tag_value(name: str) -> str:
    """Return a name escaped as a tag's value in line protocol."""
    return stored_name(name).replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def string_field(text: str) -> str:
    """Return a text as a string field's value in line protocol."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def influxql_name(name: str) -> str:
    """Return a measurement as a quoted InfluxQL identifier, which no bind parameter can stand for."""
    return '"' + stored_name(name).replace('"', '\\"') + '"'


def flux_text(name: str) -> str:
    """Return a name as a Flux string; `$` is escaped because `${…}` would be evaluated."""
    return '"' + stored_name(name).replace('"', '\\"').replace("$", "\\x24") + '"'


def series_filter(all_series: Iterable[Series], parameters: dict[str, str]) -> str:
    """Return `measurements WHERE devices` of a statement that covers the series, and perhaps others with their names.

    Devices are bound: each gets a name in `parameters`.
    """
    metrics = sorted({series.metric for series in all_series})
    devices = sorted({series.device for series in all_series})
    names = ", ".join(map(influxql_name, metrics)) if len(metrics) <= MANY_NAMES else "/.*/"
    if len(devices) > MANY_NAMES:
        return f"{names} WHERE true"
    wanted = []
    for device in devices:
        name = f"d{len(parameters)}"
        parameters[name] = stored_name(device)
        wanted.append(f"device = ${name}")
    return f"{names} WHERE ({' OR '.join(wanted)})"
