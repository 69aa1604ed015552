"""Links of many nodes in one process, which is all of a node that a broker notices: `many_links.py PORT COUNT`.

Prints `connected SECONDS` (the monotonic clock of the machine) for each connection, and `all N` when each link has its Nth and is
subscribed. At most 300 links: paho waits with select(2), which knows 1,024 descriptors.
"""

import os
import sys
import time
from collections.abc import Sequence

from sensorline.mqtt import MqttLink
from sensorline.settings import MqttSettings


def say(line: str) -> None:
    """Write a line at once: print() writes its end apart, and another thread's line may come in between."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def make_link(settings: MqttSettings, name: str) -> MqttLink:
    """Return a link as a node has it, which says when it is connected."""
    return MqttLink(
        settings,
        client_id=name,
        clean_session=True,
        subscriptions=[(f"acks/{name}", 1)],
        repeats=False,
        on_connected=lambda session_present: say(f"connected {time.monotonic():.3f}"),
    )


def main(arguments: Sequence[str]) -> None:
    """Connect, and stay so until killed."""
    port, count = map(int, arguments)
    # paho's own reader: the bulk reader's buffer is not worth it for a few confirmations.
    settings = MqttSettings(host="127.0.0.1", port=port, bulk_read=False)
    links = [make_link(settings, f"node-{os.getpid()}-{n}") for n in range(count)]
    for link in links:
        link.start()
    complete = 0
    while True:
        reached = min(link.generation if link.is_subscribed else 0 for link in links)
        if reached > complete:
            complete = reached
            say(f"all {complete}")
        dead = [problem for link in links if (problem := link.check_alive())]
        if dead:
            raise SystemExit(dead[0])
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1:])
