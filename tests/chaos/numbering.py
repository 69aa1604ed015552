"""Numbered readings: a value says which device sent it and which number it has, so that stores can be compared with logs as sets."""


def value_of(device: str, n: int) -> float:
    """Return the value of a device's reading number n: unique for the device, and exact in 64 bits."""
    return n + share_of(device)


def share_of(device: str) -> float:
    """Return what all values of a device have behind the point: a reading that got into another series shows it."""
    return (sum(device.encode()) % 97) / 128


def number_of(value: float) -> int:
    """Return the number of a reading by its value."""
    return int(value)
