"""Decoders: bytes on a topic become readings. One payload family a file; `base` has what they share."""

from sensorline.decoders.base import Decoded, Decoder
from sensorline.decoders.registry import Decoders, build_decoders
from sensorline.decoders.times import TimeLimits, time_limits

__all__ = ["Decoded", "Decoder", "Decoders", "TimeLimits", "build_decoders", "time_limits"]
