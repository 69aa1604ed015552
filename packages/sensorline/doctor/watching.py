"""Listens for some seconds: the broker's own figures, ingest's word of itself, and what devices send."""

import time
from typing import Any

import msgspec

from sensorline import topics
from sensorline.decoders import build_decoders, time_limits
from sensorline.doctor.context import Context
from sensorline.doctor.session import Names, Session
from sensorline.errors import Rejected
from sensorline.mqtt import RawMessage

WATCH_S = 4.5
"""Ingest tells its status every two seconds."""
MOST_DECODED = 20_000
"""So many messages say enough about clocks; what comes in seconds of full load would take seconds to decode."""
_RETAINED = 0x01
_SYS = "$SYS/broker/"


class Heard(msgspec.Struct):
    """What was heard. `figures` are topics below $SYS/broker with what they said."""

    figures: dict[str, str] = {}
    status: dict[str, Any] | None = None
    """Ingest's newest status; `status_at` is when it came (UTC seconds), `status_is_live` whether it was published just then."""
    status_at: float = 0.0
    status_is_live: bool = False
    rate_per_s: float = 0.0
    """Messages on sensors/# in a second, retained ones not counted."""
    message_bytes: float = 0.0
    """What one of them takes on average, topic and payload."""
    readings_per_s: float | None = None
    """How many ingest took, by its own count; None when it did not say two times."""
    ahead_s: dict[str, float] = {}
    """By device, how far the newest own time of a reading was ahead of the clock here."""
    refused_times: dict[str, str] = {}
    """By topic, why ingest refuses a reading for its time."""

    def figure(self, name: str) -> float | None:
        """Return a number below $SYS/broker, or None."""
        try:
            return float(self.figures[name].split()[0])
        except (KeyError, ValueError, IndexError):
            return None


def watch(context: Context, names: Names) -> Heard:
    """Listen. Raises NotLetIn; an end of the connection ends it early."""
    heard = Heard()
    wanted = [(f"{_SYS}#", 0), (topics.INGEST_STATUS, 0), (topics.SENSORS_FILTER, 0)]
    begun_s = time.monotonic()
    with Session(context.mqtt, names.client_id, subscriptions=wanted) as session:
        messages = session.receive(WATCH_S)
    took_s = time.monotonic() - begun_s
    statuses = []
    live = []
    for message in messages:
        topic = message[0].decode(errors="replace")
        if topic.startswith(_SYS):
            heard.figures[topic.removeprefix(_SYS)] = message[1].decode(errors="replace")
        elif topic == topics.INGEST_STATUS:
            statuses.append(message)
        elif not message[3] & _RETAINED:
            live.append(message)
    _note_status(heard, statuses)
    _note_times(heard, context, live)
    heard.rate_per_s = len(live) / took_s
    heard.message_bytes = sum(len(m[0]) + len(m[1]) for m in live) / len(live) if live else 0.0
    return heard


def _note_status(heard: Heard, messages: list[RawMessage]) -> None:
    said = []
    for message in messages:
        try:
            body = msgspec.json.decode(message[1])
        except (msgspec.MsgspecError, RecursionError):
            continue
        if isinstance(body, dict):
            said.append((message[4] / 1e9, body))
            heard.status_is_live = not message[3] & _RETAINED
    if not said:
        return
    heard.status_at, heard.status = said[-1]
    first, last = said[0][1], said[-1][1]
    try:
        apart_s = (last["updated_at"] - first["updated_at"]) / 1000
        # The first may be one that an ingest left behind long ago.
        if 1 <= apart_s <= 2 * WATCH_S and first["instance"] == last["instance"]:
            heard.readings_per_s = (last["stored"] - first["stored"]) / apart_s
    except (KeyError, TypeError):
        return


def _note_times(heard: Heard, context: Context, messages: list[RawMessage]) -> None:
    decoders = build_decoders(time_limits(context.decoding, context.store))
    for topic, payload, _, _, received_ns in messages[:MOST_DECODED]:
        try:
            decoded = decoders.decode(topic, payload, False, received_ns)
        except Rejected as exc:
            rejects = [exc]
        else:
            rejects = decoded.rejects
            for reading in decoded.readings:
                if reading.has_own_time:
                    ahead_s = (reading.time_ns - received_ns) / 1e9
                    device = reading.series.device
                    heard.ahead_s[device] = max(ahead_s, heard.ahead_s.get(device, ahead_s))
        for reject in rejects:
            if reject.reason.startswith("time_"):
                heard.refused_times[topics.printable_topic(topic)] = reject.detail
