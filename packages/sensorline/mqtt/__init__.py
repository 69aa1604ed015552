"""The MQTT link: everything that a service needs of a broker, in batches.

`MqttLink` is the face: `take()` what has arrived as one list, `ack()` that list, `publish()`. The rest of this
package is its inside: `bulk` reads the socket, `arrivals` holds what was read and not yet acknowledged.
"""

from sensorline.mqtt.arrivals import Arrivals, RawMessage
from sensorline.mqtt.build import Will
from sensorline.mqtt.forget import forget_session
from sensorline.mqtt.link import MqttLink

__all__ = ["Arrivals", "MqttLink", "RawMessage", "Will", "forget_session"]
