"""What the forwarder has under way at a time."""

import msgspec

from sensorline.stores.influxdb.delivery import Refused
from sensorline.stores.influxdb.local import Parcel
from sensorline.stores.influxdb.placing import Placed


class Shipment(msgspec.Struct):
    """Parcels that are still to be sent, and what they are of."""

    parcels: list[Parcel]
    placed: Placed | None = None
    devices: set[str] = set()
    told_to: int = 0
    """Up to which number it has what Telling holds."""
    is_counted: bool = False
    is_to_be_saved: bool = False
    """Its lines are to be written down before they are sent."""
    refused: list[Refused] = []
