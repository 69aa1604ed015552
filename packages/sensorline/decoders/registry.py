"""Which decoder takes a message: the first in order whose filters match its topic."""

from collections.abc import Sequence

from sensorline import topics
from sensorline.decoders.base import Decoded, Decoder
from sensorline.decoders.native import NativeDecoder
from sensorline.decoders.times import TimeLimits
from sensorline.errors import Rejected

MAX_TOPICS_REMEMBERED = 50_000


class Decoders:
    """A decoder made of decoders, in order of precedence. The choice for a topic is made once and remembered."""

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = tuple(decoders)
        self._choice: dict[bytes, Decoder] = {}

    @property
    def filters(self) -> tuple[str, ...]:
        """The topic filters to subscribe to."""
        return tuple(dict.fromkeys(f for decoder in self._decoders for f in decoder.filters))

    @property
    def native(self) -> NativeDecoder | None:
        """The native family's decoder, if it is one of them."""
        return next((d for d in self._decoders if isinstance(d, NativeDecoder)), None)

    def is_native(self, topic: bytes) -> bool:
        """Tell whether the native family takes a topic. Raises Rejected (`topic_unknown`)."""
        return isinstance(self._choice.get(topic) or self.choose(topic), NativeDecoder)

    def choose(self, topic: bytes) -> Decoder:
        """Return the decoder that takes a topic. Raises Rejected (`topic_unknown`)."""
        text = topics.decode_topic(topic)
        for decoder in self._decoders:
            if any(topics.filter_matches(f, text) for f in decoder.filters):
                if len(self._choice) >= MAX_TOPICS_REMEMBERED:
                    self._choice.clear()
                self._choice[topic] = decoder
                return decoder
        raise Rejected("topic_unknown", f"no decoder takes {text[:200]!r}")

    def decode(self, topic: bytes, payload: bytes, retained: bool, received_ns: int) -> Decoded:
        """Return what a message says. Raises Rejected when nothing of it can be used."""
        decoder = self._choice.get(topic) or self.choose(topic)
        return decoder.decode(topic, payload, retained, received_ns)


def build_decoders(limits: TimeLimits | None = None) -> Decoders:
    """Return all decoders in their order of precedence."""
    return Decoders([NativeDecoder(limits)])
