"""The sensor node: sensors → outbox → broker. A reading is on disk before it is on the wire."""
