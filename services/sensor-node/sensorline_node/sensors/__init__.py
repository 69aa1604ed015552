"""One sensor a file; `registry.build` chooses by name and imports only what was chosen."""
