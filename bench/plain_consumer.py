"""What we measure against: a plain paho-mqtt consumer that decodes JSON, acknowledges, and does nothing else.

    python bench/plain_consumer.py PORT COUNT

Prints `ready` when subscribed, then one line of JSON with its CPU time after COUNT messages.
"""

import json
import resource
import sys
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def main(port: int, count: int) -> None:
    done = threading.Event()
    seen = 0
    first_s = last_s = 0.0
    total = 0.0

    def on_message(client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        nonlocal seen, first_s, last_s, total
        total += json.loads(message.payload)["value"]
        seen += 1
        if seen == 1:
            first_s = time.perf_counter()
        if seen == count:
            last_s = time.perf_counter()
            done.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench-plain", clean_session=False)
    client.on_message = on_message
    client.on_connect = lambda c, *_: c.subscribe("sensors/#", 1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    before = resource.getrusage(resource.RUSAGE_SELF)
    done.wait(600)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu_s": cpu_s, "seconds": last_s - first_s, "sum": total}), flush=True)
    client.loop_stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
