"""Builds a node from its settings and runs it until it is told to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

from sensorline import topics
from sensorline.mqtt import MqttLink, Will
from sensorline.reading import Status
from sensorline.settings import MqttSettings
from sensorline.sparing import settle
from sensorline_node.clock import SystemClock
from sensorline_node.node import Meta, Node
from sensorline_node.outbox import Outbox
from sensorline_node.roster import Roster
from sensorline_node.sensors.registry import build
from sensorline_node.settings import NodeSettings

log = structlog.get_logger()


def run(settings: NodeSettings, mqtt: MqttSettings, stop: threading.Event | None = None) -> None:
    """Run a node until SIGTERM, SIGINT or `stop`, or until a replayed file is at its end and confirmed.

    Stops within two seconds. Raises StartupError if the outbox cannot be used or only a new process helps.
    """
    stop = stop or threading.Event()
    clock = SystemClock()
    outbox = Outbox(
        settings.outbox_path,
        settings.name,
        max_bytes=round(settings.outbox_max_mb * 1_000_000),
        max_readings=settings.outbox_max_readings,
        first_seq=clock.now_ms(),
    )
    brought_back = outbox.bring_back()
    roster = Roster([build(name, settings) for name in settings.sensors], settings.interval_s)
    # A clean session: whatever confirmations were missed, the readings are sent again when the connection begins. By the courier,
    # not by paho, which would begin each connection with the very packet that ended the last one.
    link = MqttLink(
        mqtt,
        client_id=settings.client_id,
        clean_session=True,
        subscriptions=[(topics.acks_topic(settings.name), 1)],
        repeats=False,
        will=Will(f"{topics.SENSORS}/{settings.name}/{topics.STATUS}", Status.OFFLINE.value.encode()),
    )
    meta = Meta(settings.interval_s, roster.is_simulated, settings.display_name, settings.location)
    node = Node(settings.name, meta, roster, outbox, link, clock, patience_s=settings.resend_s)
    settle()
    log.info(
        "node_started",
        device=settings.name,
        sensors=",".join(settings.sensors),
        waiting=outbox.count,
        next_seq=outbox.next_seq,
        brought_back=brought_back,
    )
    link.start()
    try:
        with _stopping_on_signals(stop):
            node.run(stop.is_set)
    finally:
        node.say_goodbye()
        link.stop(timeout_s=1.0)
        roster.close()
        log.info(
            "node_stopped",
            device=settings.name,
            waiting=outbox.count,
            refused=outbox.refused,
            set_aside=outbox.aside_count,
        )
        outbox.close()


@contextmanager
def _stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
