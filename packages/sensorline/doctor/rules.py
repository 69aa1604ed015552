"""Who may do what, as far as it shows: is somebody without a name let in, and who may tell a node that its readings are stored."""

from collections.abc import Iterator

from sensorline import topics
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.identity import is_loopback
from sensorline.doctor.session import Names, NotLetIn, PutOut, Session
from sensorline.settings import MqttSettings

_WAIT_S = 2.0


def forbidden(settings: MqttSettings, names: Names) -> Finding:
    """Return that the broker's rules keep the doctor from measuring."""
    user = settings.username or "nobody (no user name)"
    return Finding(
        level=Level.UNSEEN,
        part="broker",
        check="rules",
        says=f"window, queue, packet size and retained messages were not measured: what {user!r} publishes on {topics.DOCTOR}/…"
        " does not come back, so the broker's rules forbid it",
        fix=f"acl, under `user {settings.username or 'admin'}`: topic readwrite {topics.DOCTOR}/#",
    )


def look(settings: MqttSettings, names: Names) -> Iterator[Finding]:
    """Yield what a stranger, and we, can do. Raises NotLetIn when we are not let in ourselves."""
    # Nobody has this device's name, so no node hears what is said to it.
    acks = f"{topics.ACKS}/{names.client_id}"
    with Session(settings, names.client_id, subscriptions=[(acks, 0), (f"{names.topic}/#", 0)]) as session:
        session.send(f"{names.topic}/we", b"", qos=0)
        can_hear = bool(session.receive(_WAIT_S, until=lambda _: True))
        if settings.username:
            yield from _stranger(settings, names, session, acks, can_hear)
        else:
            yield _nobody_asked(settings)
        heard = _writes(session, session, acks)
    if heard:
        level = Level.FINE if is_loopback(settings.host) and not settings.username else Level.WARNING
        who = f"the user {settings.username!r}" if settings.username else "anybody who can connect"
        yield Finding(
            level=level,
            part="broker",
            check="confirmations",
            says=f"{who} may publish on {topics.ACKS}/…: with that a node can be told that a reading is stored which is not, and it"
            " deletes it",
            fix=""
            if level is Level.FINE
            else f"acl: only ingest has `topic write {topics.ACKS}/#` (mosquitto/acl)",
        )
    elif can_hear:
        yield Finding(
            level=Level.FINE,
            part="broker",
            check="confirmations",
            says=f"{settings.username!r} may not publish on {topics.ACKS}/…, where nodes are told what is stored",
        )


def _stranger(
    settings: MqttSettings, names: Names, session: Session, acks: str, can_hear: bool
) -> Iterator[Finding]:
    try:
        with Session(_without_name(settings), f"{names.client_id}-stranger") as stranger:
            wrote = can_hear and _writes(stranger, session, f"{names.topic}/stranger")
            confirmed = _writes(stranger, session, acks)
    except (NotLetIn, PutOut) as exc:
        yield Finding(
            level=Level.FINE,
            part="broker",
            check="anonymous",
            says=f"nobody comes in without a user name ({exc})",
        )
        return
    what = [f"write {topics.DOCTOR}/…"] * wrote + [f"confirm readings on {topics.ACKS}/…"] * confirmed
    yield Finding(
        level=Level.PROBLEM if confirmed else Level.WARNING,
        part="broker",
        check="anonymous",
        says="it lets in who gives no user name"
        + (f", who may {' and '.join(what)}" if what else "; what was tried then was refused"),
        fix="mosquitto.conf: allow_anonymous false",
    )


def _nobody_asked(settings: MqttSettings) -> Finding:
    on_this_machine = is_loopback(settings.host)
    return Finding(
        level=Level.FINE if on_this_machine else Level.WARNING,
        part="broker",
        check="anonymous",
        says="it lets in who gives no user name"
        + (
            ", here from this machine"
            if on_this_machine
            else ": whoever reaches it can write any device's readings"
        ),
        fix=""
        if on_this_machine
        else "mosquitto.conf: allow_anonymous false   (mosquitto/ has a whole configuration)",
    )


def _writes(writer: Session, listener: Session, topic: str) -> bool:
    """Tell whether what one publishes on a topic reaches the other."""
    name = topic.encode()
    writer.send(topic, b"", qos=0)
    # Without a message behind it nothing says that it was refused, so this waits; a broker passes it on in milliseconds.
    found = listener.receive(0.5, until=lambda m: m[0] == name)
    return any(m[0] == name for m in found)


def _without_name(settings: MqttSettings) -> MqttSettings:
    given = {
        field: getattr(settings, field)
        for field in settings.fields
        if field not in ("url", "username", "password", "cert", "key")
    }
    return MqttSettings(**given)
