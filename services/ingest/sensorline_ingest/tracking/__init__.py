"""Loss made visible: which readings never came, which devices fell silent, and each device's book."""

from sensorline_ingest.tracking.tracker import Tracker

__all__ = ["Tracker"]
