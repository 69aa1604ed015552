"""Which user names there are: a device's name is its user name, and the services have reserved ones."""

from collections.abc import Iterable

from sensorline.errors import Rejected, SensorlineError
from sensorline.topics import check_device

SERVICES = ("ingest", "web", "admin")
"""Users with lines of their own in mosquitto/acl; no device may have such a name."""


def check_account(name: str) -> str:
    """Return a device's name, in Unicode normal form C, that can also be a user name.

    It is what topics allow, without a colon and without blanks or # at its ends, which the password file cannot hold.
    Raises SensorlineError.
    """
    try:
        name = check_device(name)
    except Rejected as exc:
        raise SensorlineError(
            f"{name!r} is no device name: {exc.detail}; expected a name such as desk or house/attic"
        ) from None
    if ":" in name:
        raise SensorlineError(
            f"{name!r} is no user name for Mosquitto: its password file ends a name at a colon; choose a name without one"
        )
    if name != name.strip():
        raise SensorlineError(
            f"{name!r} begins or ends with a blank, which Mosquitto cuts off; choose a name without it"
        )
    return name


def check_new_device(name: str, existing: Iterable[str]) -> str:
    """Return the name of a device that can be added beside `existing` users; an existing name is not refused.

    Raises SensorlineError for a reserved name, and where one device's topics would lie inside another's: who has the
    password of `house` may write everything below sensors/house, and so in the name of house/attic.
    """
    name = check_account(name)
    if name in SERVICES:
        raise SensorlineError(
            f"{name!r} is the user of a service, not a device; for the service itself: sensorline device add --service {name}"
        )
    for other in existing:
        outer, inner = sorted((name, other), key=len)
        if inner.startswith(f"{outer}/"):
            raise SensorlineError(
                f"{name!r} cannot be added: sensors/{inner} lies inside sensors/{outer}, so {outer!r} could write in the name"
                f" of {inner!r}; choose a name outside, or remove {other!r} first"
            )
    return name
