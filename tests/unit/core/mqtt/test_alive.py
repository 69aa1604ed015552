"""When a link says that its session is dead, which ends the service."""

from tests.support.ports import free_port

from sensorline.mqtt import MqttLink
from sensorline.settings import MqttSettings


def test_a_link_that_is_being_stopped_is_not_a_dead_one() -> None:
    link = MqttLink(
        MqttSettings(host="127.0.0.1", port=free_port()), client_id="ending", clean_session=True, canary=True
    )
    assert link.check_alive() == "the MQTT network thread has ended"
    link.start()
    assert link.check_alive() is None
    link.stop()
    assert link.check_alive() is None
