"""The clock: readings without a time of their own have the time of this machine, and too far ahead is refused."""

import ctypes
import time
from collections.abc import Iterator

from sensorline.doctor.context import Context
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.watching import Heard

YEAR_2020_S = 1_577_836_800
"""A machine without a battery for its clock begins at the time of its image, or in 1970."""
APART_S = 2.0
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""


class _Timex(ctypes.Structure):
    """The beginning of struct timex (adjtimex(2)); the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 512),
    )


def is_synchronised() -> bool | None:
    """Return whether the kernel's clock is kept right by NTP or the like; None where that cannot be asked."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(_Timex()))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def look(now_s: float | None = None, synchronised: bool | None = None) -> Iterator[Finding]:
    """Yield what is to be said of this machine's clock."""
    now_s = time.time() if now_s is None else now_s
    fix = "timedatectl set-ntp true"
    if now_s < YEAR_2020_S:
        year = time.gmtime(now_s).tm_year
        yield _finding(
            Level.PROBLEM,
            "year",
            f"this machine's clock says {year}: it was never set, and readings without a time of their own get such times",
            fix,
        )
    elif synchronised is None:
        yield _finding(
            Level.UNSEEN, "ntp", "whether this machine's clock is synchronised cannot be asked here"
        )
    elif not synchronised:
        yield _finding(
            Level.WARNING,
            "ntp",
            "this machine's clock is synchronised with nothing: readings without a time of their own drift away from the others",
            fix,
        )
    else:
        yield _finding(Level.FINE, "ntp", "this machine's clock is synchronised")


def others(context: Context, heard: Heard) -> Iterator[Finding]:
    """Yield what ingest's clock and devices' clocks say, as far as they spoke."""
    if heard.status_is_live and heard.status:
        ingest_s = heard.status.get("updated_at")
        if isinstance(ingest_s, int) and abs(apart_s := ingest_s / 1000 - heard.status_at) > APART_S:
            yield apart("ingest's clock", apart_s)
    for topic, why in sorted(heard.refused_times.items())[:5]:
        yield _finding(
            Level.PROBLEM,
            "devices",
            f"readings on {topic} are refused for their time, and kept as dead letters: {why}",
            f"set the device's clock; DECODE_MAX_FUTURE_S={context.decoding.max_future_s:g} is how far ahead it may be",
        )
    ahead = sorted(
        (device for device, by_s in heard.ahead_s.items() if by_s > APART_S), key=heard.ahead_s.__getitem__
    )
    if ahead:
        worst = ahead[-1]
        more = f", and {len(ahead) - 1} more" if len(ahead) > 1 else ""
        yield _finding(
            Level.WARNING,
            "devices",
            f"the clock of {worst} is {heard.ahead_s[worst]:,.0f} s ahead{more}: its readings stand in the future",
            "set the device's clock, or leave `ts` away",
        )
    elif heard.ahead_s:
        yield _finding(
            Level.FINE,
            "devices",
            f"no clock of {len(heard.ahead_s)} devices that sent a time is ahead"
            if len(heard.ahead_s) > 1
            else "the clock of the one device that sent a time is not ahead",
        )


def apart(whose: str, apart_s: float) -> Finding:
    """Return that another clock differs from this one by so many seconds (it is ahead if positive)."""
    way = "ahead of" if apart_s > 0 else "behind"
    return _finding(
        Level.WARNING,
        "difference",
        f"{whose} is {abs(apart_s):,.0f} s {way} this machine's: what is newest on the page is not",
        "timedatectl set-ntp true   (on both)",
    )


def _finding(level: Level, check: str, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="clock", check=check, says=says, fix=fix)
