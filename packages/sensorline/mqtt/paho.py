"""paho-mqtt, without what only its other users need: lookup by SRV records, proxies, WebSockets and TLS until they are used."""

from sensorline.sparing import absent, on_first_use

with absent("dns", "socks"), on_first_use("hashlib", "ssl", "urllib.request"):
    from paho.mqtt import client
    from paho.mqtt.client import ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = [
    "CallbackAPIVersion",
    "ConnectFlags",
    "DisconnectFlags",
    "MQTTErrorCode",
    "MQTTMessage",
    "ReasonCode",
    "client",
]
