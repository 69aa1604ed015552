"""Live readings: `state`, `groups` and `coalescer` are pure; `feed` brings readings in, `emitter` and `sockets` send them out."""
