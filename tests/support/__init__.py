"""What tests share: brokers, processes, a wire-level proxy, waiting with a deadline and a reason.

`from tests.support.brokers import Mosquitto`, and so on; one idea a file. Everything here starts real programs on
127.0.0.1, on free ports, in temporary folders, and stops by its process id whatever it started.
"""
