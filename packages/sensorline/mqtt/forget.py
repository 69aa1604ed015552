"""Ending a session that a broker keeps for a client id."""

import time

from sensorline.mqtt.link import MqttLink
from sensorline.settings import MqttSettings

FORGET_TIMEOUT_S = 3.0


def forget_session(settings: MqttSettings, client_id: str) -> None:
    """Make the broker forget this client id's session; gives up after three seconds without an answer.

    MQTT 3.1.1, section 3.1.2.4: a connection with a clean session ends the one that was kept. Never call it where the
    session may be somebody else's, as on a broker that gives a user one session whatever its client id.
    """
    link = MqttLink(settings, client_id=client_id, clean_session=True)
    link.start()
    deadline_s = time.monotonic() + FORGET_TIMEOUT_S
    while not link.is_connected and time.monotonic() < deadline_s:
        time.sleep(0.01)
    link.stop(timeout_s=0.5)
