"""What the measured window and queue mean for ingest."""

from collections.abc import Iterator

from sensorline.doctor.context import Context, in_bytes, in_words
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.watching import Heard
from sensorline.doctor.window import Measured

HOUR_S = 3600.0
LEAST_QUEUED = 10_000
"""However little comes in now, a queue below this is one that nobody has thought about (Mosquitto's default is 1,000)."""


def window_wanted(context: Context) -> int:
    """Return how many unacknowledged messages the broker has to send: a batch, and the next one meanwhile."""
    return 2 * context.batch_max


def hour_of_messages(heard: Heard) -> float:
    """Return how many messages come in an hour, if it goes on as now."""
    return heard.rate_per_s * HOUR_S


def judge_window(context: Context, measured: Measured) -> Finding:
    """Return what the window means for ingest's batches."""
    wanted = window_wanted(context)
    window, batch = f"{measured.window:,}", f"{context.batch_max:,}"
    if not measured.window_ends or measured.window >= wanted:
        least = "" if measured.window_ends else "at least "
        if measured.is_cut_off and measured.window < wanted:
            return _finding(
                Level.UNSEEN,
                "in_flight_window",
                f"the in-flight window is at least {window}; time was over before more",
            )
        return _finding(
            Level.FINE,
            "in_flight_window",
            f"it sends {least}{window} messages without an answer, room for two batches of ingest (INGEST_BATCH_MAX={context.batch_max})",
        )
    too_small = measured.window < context.batch_max
    return _finding(
        Level.PROBLEM if too_small else Level.WARNING,
        "in_flight_window",
        f"it sends {window} messages without an answer, and ingest acknowledges up to {batch} at a time: "
        + (
            f"ingest commits {window} at most, and what comes faster waits in the broker's queue until that is full and it drops"
            if too_small
            else "while one batch is committed, the next one is not there yet"
        ),
        f"mosquitto.conf: max_inflight_messages {wanted}   (or INGEST_BATCH_MAX={max(measured.window // 2, 1)})",
    )


def judge_queue(
    context: Context, measured: Measured, heard: Heard, configured: int | None = None
) -> Iterator[Finding]:
    """Yield what the queue means for an hour without ingest. `configured` is max_queued_messages, where it could be read."""
    hour = hour_of_messages(heard)
    wanted = max(LEAST_QUEUED, round(hour))
    now = f"at the present {heard.rate_per_s:.3g} messages/s an hour without ingest is {hour:,.0f}"
    fix = f"mosquitto.conf: max_queued_messages {max(1_000_000, 10 * wanted)}"
    if measured.queue_ends:
        lost = f"the {in_words(measured.dropped, 'test message')} beyond were confirmed and dropped, and $SYS counts them"
        if measured.queued < hour or measured.queued < LEAST_QUEUED:
            level = Level.PROBLEM if measured.queued < hour or measured.queued <= 1_000 else Level.WARNING
            says = f"it keeps {measured.queued:,} messages for a client that does not answer, confirms what comes after them, and drops it"
            yield _finding(level, "queue", f"{says}; {now} ({lost})", fix)
        else:
            yield _finding(
                Level.FINE,
                "queue",
                f"it keeps {measured.queued:,} messages for a client that does not answer; {now} ({lost})",
            )
        return
    kept = measured.queued
    if kept and kept >= hour:
        yield _finding(
            Level.FINE,
            "queue",
            f"it keeps at least {kept:,} messages for a client that does not answer; {now}",
        )
    elif configured is not None and (configured == 0 or configured >= hour):
        shown = f"{configured:,}" if configured else "any number of"
        yield _finding(
            Level.FINE,
            "queue",
            f"it keeps at least {kept:,} messages for a client that does not answer, and {shown} by its configuration; {now}",
        )
    elif configured is not None:
        says = f"it keeps {configured:,} messages for a client that does not answer, by its configuration, and drops what comes then"
        yield _finding(Level.PROBLEM, "queue", f"{says}; {now}", fix)
    elif not measured.window_ends:
        yield _finding(
            Level.UNSEEN,
            "queue",
            "its queue does not show: everything that was tried went into the in-flight window",
        )
    else:
        yield _finding(
            Level.UNSEEN,
            "queue",
            f"it keeps at least {kept:,} messages for a client that does not answer; {now}, and no more were tried",
            f"sensorline doctor --queue {wanted} tries so many",
        )


def judge_session(measured: Measured) -> Finding:
    """Return whether a session survives its client's absence."""
    if not measured.session_kept:
        return _finding(
            Level.PROBLEM,
            "session",
            "it forgets a session when its client leaves: what comes while ingest is away is confirmed and lost",
            "use a broker that keeps sessions of MQTT 3.1.1 (clean session 0); with Mosquitto look for persistent_client_expiration",
        )
    if not measured.returned:
        return _finding(
            Level.PROBLEM,
            "session",
            "it keeps a session, but what was not acknowledged did not all come again: a kill of ingest loses it",
            "use a broker that sends unacknowledged messages again (MQTT 3.1.1, section 4.4)",
        )
    return _finding(Level.FINE, "session", "it keeps a session, and sends again what was not acknowledged")


def judge_bytes(heard: Heard, configured_bytes: int) -> Finding | None:
    """Return what max_queued_bytes means for an hour of messages; None when it has room."""
    hour_bytes = hour_of_messages(heard) * heard.message_bytes
    if not configured_bytes or configured_bytes >= hour_bytes:
        return None
    return _finding(
        Level.PROBLEM,
        "queue_bytes",
        f"it keeps {in_bytes(configured_bytes)} for a client that does not answer, and an hour without ingest is {in_bytes(hour_bytes)}",
        f"mosquitto.conf: max_queued_bytes {max(536_870_912, round(10 * hour_bytes))}",
    )


def _finding(level: Level, check: str, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="broker", check=check, says=says, fix=fix)
