"""Sensorline: from any MQTT sensor to a live dashboard. The library that its services share."""

__version__ = "0.1.0"
