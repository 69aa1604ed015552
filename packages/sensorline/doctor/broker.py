"""Everything about the broker, in the order in which one thing needs the other."""

from collections.abc import Iterator

from sensorline.doctor import (
    certificate,
    configuration,
    figures,
    identity,
    limits,
    mosquitto_conf,
    packet_size,
    retained,
    rules,
    window,
)
from sensorline.doctor.context import Context
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.session import Names, NotLetIn, PutOut
from sensorline.doctor.watching import Heard, watch
from sensorline.mqtt import forget_session

PACKETS_NEED_S = 8.0
"""What is left for the checks after the measurement of window and queue."""


class Broker:
    """Looks at the broker; what was heard on the way is in `heard` afterwards, or None.

    `may_listen` says whether the broker's rules let this user hear something at all.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.heard: Heard | None = None
        self.may_listen = False

    def findings(self) -> Iterator[Finding]:
        """Yield what was found. Nothing is left at the broker, also when this is ended early."""
        context = self._context
        if context.mqtt.tls:
            yield certificate.look(context.mqtt)
        try:
            conf = mosquitto_conf.find(
                context.mqtt.port, context.mosquitto_conf, is_here=identity.is_loopback(context.mqtt.host)
            )
        except OSError as exc:
            conf = None
            yield _unseen("configuration", f"cannot read {context.mosquitto_conf}: {exc.strerror}")
        if conf is not None:
            yield from configuration.judge(conf)
        else:
            yield configuration.unseen(context.mqtt.host)
        try:
            identity.check_user(context.mqtt)
            yield from self._connected(conf)
        except identity.NotOurs as exc:
            yield _unseen("user", str(exc))
        except NotLetIn as exc:
            yield Finding(
                level=Level.PROBLEM,
                part="broker",
                check="connection",
                says=f"{exc} ({context.mqtt.host}:{context.mqtt.port})",
                fix="MQTT_URL, or -h HOST -p PORT -u USER; is the broker running?",
            )
        except PutOut as exc:
            yield _unseen("connection", f"the broker was looked at no further: {exc}")

    def _connected(self, conf: mosquitto_conf.Configuration | None) -> Iterator[Finding]:
        mqtt, names = self._context.mqtt, Names.drawn()
        follows_user = identity.session_follows_user(mqtt, names)
        yield identity.judge(mqtt, follows_user)
        self.heard = heard = watch(self._context, names)
        yield from figures.judge(heard)
        measured = self._measure(names, follows_user)
        self.may_listen = measured.was_heard
        if not measured.was_heard:
            yield rules.forbidden(mqtt, names)
        else:
            yield limits.judge_window(self._context, measured)
            yield limits.judge_session(measured)
            configured = conf.number("max_queued_messages", 1_000) if conf is not None else None
            if measured.session_kept:
                yield from limits.judge_queue(self._context, measured, heard, configured)
            in_bytes = conf and limits.judge_bytes(heard, conf.number("max_queued_bytes", 0))
            if in_bytes:
                yield in_bytes
            yield retained.judge(retained.keeps_retained(mqtt, names))
            yield packet_size.judge(packet_size.measure(self._context, names))
        yield from rules.look(mqtt, names)

    def _measure(self, names: Names, follows_user: bool) -> window.Measured:
        mqtt, context = self._context.mqtt, self._context
        is_ours = True
        try:
            return window.measure(
                mqtt,
                names,
                # A queue shows behind a window that ends, so a large window is followed to its end, too.
                window_wanted=max(limits.window_wanted(context) + window.MARGIN, context.queue_wanted),
                queue_wanted=context.queue_wanted,
                deadline_s=context.begun_s + context.takes_at_most_s - PACKETS_NEED_S,
            )
        except PutOut:
            # By another program of this user, perhaps: then the session is that one's now.
            is_ours = not follows_user
            raise
        finally:
            if is_ours:
                forget_session(mqtt, names.client_id)


def _unseen(check: str, says: str) -> Finding:
    return Finding(level=Level.UNSEEN, part="broker", check=check, says=says)
