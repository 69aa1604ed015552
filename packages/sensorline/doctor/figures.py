"""What the broker says of itself on $SYS."""

from collections.abc import Iterator

from sensorline.doctor.context import in_words
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.watching import Heard

HOUR_S, DAY_S = 3_600, 86_400


def judge(heard: Heard) -> Iterator[Finding]:
    """Yield its version and whether it has dropped messages."""
    if not heard.figures:
        yield Finding(
            level=Level.UNSEEN,
            part="broker",
            check="sys",
            says="it says nothing on $SYS/broker/#: not every broker does, and the user may have to be allowed to read it",
            fix="acl, under the user: topic read $SYS/#",
        )
        return
    up_s = heard.figure("uptime") or 0
    yield Finding(
        level=Level.FINE,
        part="broker",
        check="version",
        says=f"{heard.figures.get('version', 'no version')}, up for {_span(up_s)}",
    )
    dropped = heard.figure("publish/messages/dropped")
    if dropped is None:
        return
    since = f"since it started {_span(up_s)} ago"
    if dropped:
        yield Finding(
            level=Level.PROBLEM,
            part="broker",
            check="dropped",
            says=f"it has dropped {in_words(dropped, 'message')} {since}, and told their publishers that all is well: a client was"
            " slower or away longer than its queue lasts (or a doctor found the queue's limit)",
            fix="mosquitto.conf: max_queued_messages 1000000   (its log has `Outgoing messages are being dropped` with the client)",
        )
    else:
        yield Finding(
            level=Level.FINE, part="broker", check="dropped", says=f"it has dropped nothing {since}"
        )


def _span(seconds: float) -> str:
    for unit, length in (("day", DAY_S), ("hour", HOUR_S), ("minute", 60)):
        if seconds >= length:
            return in_words(seconds // length, unit)
    return in_words(seconds, "second")
