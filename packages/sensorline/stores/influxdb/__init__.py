"""The InfluxDB 2 store: readings and rollups in InfluxDB, ingest's own bookkeeping in a small SQLite file beside it.

What is where, with `readings` as the bucket:

    readings        measurement = metric, tag device, field value (always a float)
    readings_1m     the same measurements, one point a minute: fields min, max, sum, n (floats)
    readings_1h     one point an hour: the same fields, and todo: bit i says that minute i is to be read from readings
    readings_12h    one point a half-day: the same fields; todo is 1 until the half-day is over and its hours are whole
    readings_state  latest (newest readings that are old), device (facts, JSON), border (since when each level is whole)

`writer` and `reader` need influxdb-client, the extra `[influxdb]`; `settings` does not. A backslash in a name is stored as U+E05C, because line protocol cannot end a name with one.
"""
