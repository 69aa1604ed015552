"""What the doctor makes of what it heard and measured."""

import time
from pathlib import Path
from typing import Any

import pytest

from sensorline import __version__
from sensorline.doctor import ingest, limits
from sensorline.doctor.context import Context, in_bytes
from sensorline.doctor.findings import Finding, Level, as_text, in_order
from sensorline.doctor.watching import Heard
from sensorline.doctor.window import Measured
from sensorline.settings import DecodingSettings, MqttSettings, StoreSettings
from sensorline.stores.influxdb.settings import InfluxSettings

NOW_S = 1_790_000_000.0


def heard(*, live: bool = True, age_s: float = 0.0, **status: Any) -> Heard:
    said = {"state": "running", "version": __version__, "updated_at": int((NOW_S - age_s) * 1000)} | status
    return Heard(status=said, status_at=NOW_S, status_is_live=live)


@pytest.mark.parametrize(
    ("what", "check", "level"),
    [
        (heard(), "alive", Level.FINE),
        (heard(live=False, age_s=1), "alive", Level.FINE),
        (heard(live=False, age_s=60), "alive", Level.PROBLEM),
        (heard(live=False, state="offline"), "alive", Level.PROBLEM),
        (heard(live=False, state="stopped"), "alive", Level.PROBLEM),
        (heard(state="store_unavailable"), "alive", Level.PROBLEM),
        (heard(version="0.0.1"), "version", Level.WARNING),
        (heard(backlog=90_000), "backlog", Level.WARNING),
        (heard(undelivered=5, undelivered_s=3_600), "undelivered", Level.WARNING),
        (heard(updated_at="soon", instance=7, backlog="many"), "alive", Level.FINE),
        (Heard(), "alive", Level.PROBLEM),
    ],
)
def test_ingests_word_of_itself(what: Heard, check: str, level: Level) -> None:
    found = {finding.check: finding.level for finding in ingest.told(what, may_listen=True)}
    assert found[check] is level


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(
        mqtt=MqttSettings(),
        store=StoreSettings(path=tmp_path / "store.db"),
        influx=InfluxSettings(),
        decoding=DecodingSettings(),
        batch_max=1_000,
        ingest_url="",
        web_url="",
        queue_wanted=20_000,
        mosquitto_conf=None,
        secret_files=(),
        begun_s=time.monotonic(),
    )


@pytest.mark.parametrize(
    ("window", "ends", "level"),
    [
        (20, True, Level.PROBLEM),
        (1_500, True, Level.WARNING),
        (2_000, True, Level.FINE),
        (2_256, False, Level.FINE),
    ],
)
def test_a_window_is_measured_by_ingests_batches(
    context: Context, window: int, ends: bool, level: Level
) -> None:
    assert limits.judge_window(context, Measured(window=window, window_ends=ends)).level is level


@pytest.mark.parametrize(
    ("queued", "ends", "rate_per_s", "configured", "level"),
    [
        (1_000, True, 0.0, None, Level.PROBLEM),
        (5_000, True, 0.1, None, Level.WARNING),
        (5_000, True, 10.0, None, Level.PROBLEM),
        (15_000, True, 1.0, None, Level.FINE),
        (20_000, False, 1.0, None, Level.FINE),
        (20_000, False, 100.0, None, Level.UNSEEN),
        (20_000, False, 100.0, 1_000_000, Level.FINE),
        (20_000, False, 100.0, 0, Level.FINE),
        (20_000, False, 100.0, 50_000, Level.PROBLEM),
    ],
)
def test_a_queue_is_measured_by_an_hour_of_what_comes_now(
    context: Context, queued: int, ends: bool, rate_per_s: float, configured: int | None, level: Level
) -> None:
    measured = Measured(window=20, window_ends=True, queued=queued, queue_ends=ends)
    (found,) = limits.judge_queue(context, measured, Heard(rate_per_s=rate_per_s), configured)
    assert found.level is level
    if level is Level.UNSEEN:
        assert "--queue 360000" in found.fix


def test_a_limit_of_bytes_is_measured_by_an_hour_too() -> None:
    busy = Heard(rate_per_s=100.0, message_bytes=100.0)
    assert limits.judge_bytes(busy, 0) is None
    assert limits.judge_bytes(busy, 512 << 20) is None
    found = limits.judge_bytes(busy, 10_000_000)
    assert found is not None
    assert found.says.endswith("and an hour without ingest is 36 MB")


def test_the_worst_comes_first_and_the_last_line_counts() -> None:
    levels = [Level.FINE, Level.PROBLEM, Level.UNSEEN, Level.WARNING, Level.PROBLEM]
    found = in_order(
        Finding(level=level, part="broker", check="x", says=f"s{i}", fix="f")
        for i, level in enumerate(levels)
    )
    assert [finding.says for finding in found] == ["s1", "s4", "s3", "s2", "s0"]
    assert as_text(found, 1.6).endswith("2 problems, 1 warning, 1 not seen, 1 fine; 2 s")


def test_sizes_are_for_people() -> None:
    assert [in_bytes(n) for n in (512, 1_500, 3e6, 64.7e9)] == ["512 bytes", "1.5 KB", "3 MB", "64.7 GB"]
