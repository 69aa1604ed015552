"""`make chaos`: python -m tests.chaos --cycles 200 --seed 7."""

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos import schedule
from tests.chaos.run import run
from tests.support.brokers import mosquitto_binary
from tests.support.influx import has_influxd


def main() -> int:
    """Run the schedule on each store; return 1 if anything was lost, doubled or unexpected, or late in recovering."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--cycles", type=int, default=200, help="cycles on each store")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="the same seed gives the same schedule"
    )
    parser.add_argument("--stores", default=",".join(schedule.STORES), help="sqlite, influxdb or both")
    parser.add_argument(
        "--pace", type=float, default=2.0, help="how much longer faults last than in `make test`"
    )
    arguments = parser.parse_args()
    if mosquitto_binary() is None:
        sys.stderr.write("chaos: Mosquitto is not installed: apt-get install mosquitto\n")
        return 2
    print(f"seed {arguments.seed}, {arguments.cycles} cycles on each store", flush=True)
    failed = 0
    for store in arguments.stores.split(","):
        if store == schedule.INFLUXDB and not has_influxd():
            print("InfluxDB is left out: there is no influxd in INFLUXD or PATH", flush=True)
            continue
        cycles = schedule.draw(arguments.seed, arguments.cycles, store, pace=arguments.pace)
        folder = Path(tempfile.mkdtemp(prefix=f"sensorline-chaos-{store}-"))
        lines: list[str] = []

        def say(line: str, lines: list[str] = lines) -> None:
            lines.append(line)
            print(line, flush=True)

        say(f"\n{store}, seed {arguments.seed}")
        outcome = run(store, cycles, folder, say)
        if outcome.faults:
            failed += 1
            (folder / "schedule.txt").write_text("\n".join([*map(str, cycles), "", *lines]) + "\n")
            print(
                f"FAILED with seed {arguments.seed}; databases, logs and the schedule are in {folder}",
                flush=True,
            )
        else:
            shutil.rmtree(folder)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
