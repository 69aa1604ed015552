"""`python -m sensorline_node`: a node by its settings in the environment. `sensorline node` does the same with flags."""

import sys

from sensorline.errors import SensorlineError
from sensorline.logging import configure
from sensorline.settings import LogSettings, MqttSettings, load
from sensorline_node.app import run
from sensorline_node.settings import NodeSettings


def main() -> int:
    """Run and return the exit code."""
    try:
        settings = load(NodeSettings, MqttSettings, LogSettings)
        configure(settings[LogSettings], "node")
        run(settings[NodeSettings], settings[MqttSettings])
    except SensorlineError as exc:
        sys.stderr.write(f"sensorline node: {exc}\n")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
