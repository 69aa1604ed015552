"""Sharing out a sum that is known among devices of which only shares are known."""

from collections.abc import Mapping


def share(total: int, first: Mapping[str, int], otherwise: Mapping[str, int]) -> dict[str, int]:
    """Return device → its part of `total`, in whole numbers that add up to it.

    `first` says how many of it each device can have, if their sum is enough; else `otherwise` says who may have the rest.
    A store counts a commit's repetitions together: who has one candidate, or is the only one, gets exactly its own.
    """
    parts = _portions(min(total, sum(first.values())), first)
    rest = total - sum(parts.values())
    for device, count in _portions(rest, otherwise).items():
        parts[device] = parts.get(device, 0) + count
    return parts


def _portions(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    whole = sum(weights.values())
    if not total or not whole:
        return {}
    parts: dict[str, int] = {}
    seen = given = 0
    for device, weight in weights.items():
        seen += weight
        # The border after each device is rounded, so that nothing is left at the end.
        portion = total * seen // whole - given
        given += portion
        if portion:
            parts[device] = portion
    return parts
