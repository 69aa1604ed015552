"""Live readings: `state`, `groups`, `coalescer` and `liveframe` are pure; `feed` brings readings in; `fanout` with its
`outlet`s sends frames out, `emitter` everything else; `sockets` hears clients, `engine` knows the libraries' inside."""
