"""What we measure against: a plain paho-mqtt consumer that writes with influxdb-client's batching API.

    python bench/plain_influx_consumer.py PORT COUNT URL ORG TOKEN BUCKET

Prints `ready` when subscribed, then one line of JSON with its CPU time after COUNT messages and the end of the batching.
"""

import json
import resource
import sys
import threading
from typing import Any

import paho.mqtt.client as mqtt
from influxdb_client import InfluxDBClient, Point, WriteOptions
from paho.mqtt.enums import CallbackAPIVersion


def main(port: int, count: int, url: str, org: str, token: str, bucket: str) -> None:
    done = threading.Event()
    seen = 0
    influx = InfluxDBClient(url=url, token=token, org=org)
    writes = influx.write_api(write_options=WriteOptions(batch_size=5_000, flush_interval=1_000))

    def on_message(client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        nonlocal seen
        body = json.loads(message.payload)
        _, device, metric = message.topic.split("/")
        point = Point(metric).tag("device", device).field("value", float(body["value"]))
        writes.write(bucket, record=point.time(body["ts"] * 1_000_000))
        seen += 1
        if seen == count:
            done.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench-plain", clean_session=False)
    client.on_message = on_message
    client.on_connect = lambda c, *_: c.subscribe("sensors/#", 1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    before = resource.getrusage(resource.RUSAGE_SELF)
    done.wait(600)
    writes.close()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu_s": cpu_s}), flush=True)
    client.loop_stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:7])
