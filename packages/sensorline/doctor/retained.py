"""Does the broker keep retained messages? States of devices, their facts and ingest's own status are such messages."""

from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.session import Names, NotLetIn, PutOut, Session
from sensorline.settings import MqttSettings

_WAIT_S = 2.0
_RETAINED = 0x01


def keeps_retained(settings: MqttSettings, names: Names) -> bool:
    """Publish a retained message, look for it with a new connection, take it away again. Raises NotLetIn."""
    topic = f"{names.topic}/kept"
    try:
        with Session(settings, names.client_id, subscriptions=[(topic, 0)]) as session:
            session.send(topic, b"kept", retain=True)
            session.receive(_WAIT_S, until=lambda _: True)
        with Session(settings, names.client_id, subscriptions=[(topic, 0)]) as session:
            found = session.receive(_WAIT_S, until=lambda m: bool(m[3] & _RETAINED))
            return any(m[3] & _RETAINED for m in found)
    except PutOut:
        return False
    finally:
        _take_away(settings, names, topic)


def _take_away(settings: MqttSettings, names: Names, topic: str) -> None:
    try:
        with Session(settings, names.client_id, subscriptions=[(topic, 0)], cleans_up=True) as session:
            # MQTT 3.1.1, section 3.3.1.3: an empty one takes the retained message away.
            session.send(topic, b"", retain=True)
            session.receive(_WAIT_S, until=lambda m: not m[1])
    except (PutOut, NotLetIn):
        return


def judge(keeps: bool) -> Finding:
    """Return what it means."""
    if keeps:
        return Finding(
            level=Level.FINE,
            part="broker",
            check="retained",
            says="it keeps retained messages: states and facts of devices",
        )
    return Finding(
        level=Level.WARNING,
        part="broker",
        check="retained",
        says="it keeps no retained message: states and facts of devices are known only as long as somebody heard them",
        fix="mosquitto.conf: retain_available true   (the default)",
    )
