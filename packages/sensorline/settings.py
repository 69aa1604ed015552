"""Settings: read once in a composition root, checked as a whole, passed down as frozen values.

Precedence: command-line flag, environment, `.env` in the working directory, default. Any setting that holds a
secret can be read from a file instead: `MQTT_PASSWORD_FILE=/run/secrets/mqtt` stands for `MQTT_PASSWORD`.
Each group has one prefix; the name of a setting in the environment is the prefix and the field in capitals.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote, urlsplit

from sensorline.errors import Problem, SettingsError
from sensorline.fields import Field, SecretStr, Settings

_S = TypeVar("_S", bound=Settings)

MAX_DAYS = 36_500
"""A hundred years: in nanoseconds still a 64-bit integer."""


def _check_url(value: SecretStr, before: Mapping[str, Any]) -> SecretStr:
    if value.get_secret_value() and _spread_url(value.get_secret_value()) is None:
        raise ValueError("expected mqtt://[user[:password]@]host[:port], or mqtts://, ws://, wss://")
    return value


def _check_pair(key: Path | None, before: Mapping[str, Any]) -> Path | None:
    if (key is None) != (before.get("cert") is None):
        raise ValueError("expected MQTT_CERT and MQTT_KEY together: set both or none")
    return key


class MqttSettings(Settings):
    """How to reach the broker. `MQTT_URL` sets host, port, user, password and TLS at once; the others refine it."""

    env_prefix: ClassVar[str] = "MQTT_"
    title: ClassVar[str] = "Broker"

    url: SecretStr = Field(
        SecretStr(""),
        check=_check_url,
        description="`mqtt://user:password@host:1883`, `mqtts://…` for TLS, `ws://…` or `wss://…` for WebSockets",
    )
    host: str = Field("127.0.0.1", min_length=1, description="broker's host name or address")
    port: int = Field(1883, ge=1, le=65535, description="broker's port; 8883 is the default with TLS")
    transport: str = Field("tcp", pattern="^(tcp|websockets)$", description="`tcp` or `websockets`")
    username: str = Field("", description="user name; empty for none")
    password: SecretStr = Field(SecretStr(""), description="password")
    tls: bool = Field(False, description="encrypt the connection")
    cafile: Path | None = Field(
        None, description="PEM file of the authorities to trust instead of the system's"
    )
    cert: Path | None = Field(None, description="PEM file of the client's certificate")
    key: Path | None = Field(None, check=_check_pair, description="PEM file of the client's private key")
    insecure: bool = Field(
        False, description="do not check that the certificate names the host: for tests only"
    )
    keepalive_s: int = Field(
        15,
        ge=5,
        le=3600,
        description="seconds of silence after which a ping is sent; a dead peer is noticed in twice that",
    )
    bulk_read: bool = Field(
        True,
        description="read many messages with one call; `false` leaves all reading to paho-mqtt, at several times the CPU",
    )

    @classmethod
    def completed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the given values with what the URL says besides, and TLS where it is meant."""
        raw = values.get("url", "")
        text = raw.get_secret_value() if isinstance(raw, SecretStr) else str(raw)
        # What was given by name refines what the URL says.
        out = (_spread_url(text) or {}) | {k: v for k, v in values.items() if v not in ("", None)}
        # Whoever names authorities to trust, or shows a certificate, means TLS: never send the password without it.
        return {"tls": bool({"cafile", "cert"} & out.keys())} | out


class StoreSettings(Settings):
    """Where readings are kept, and for how long."""

    env_prefix: ClassVar[str] = "STORE_"
    title: ClassVar[str] = "Store"

    path: Path = Field(Path("var/sensorline.db"), description="the SQLite database; its folder is created")
    keep_raw_days: float = Field(
        365, ge=0, le=MAX_DAYS, description="days for which single readings are kept; 0 keeps them for ever"
    )
    keep_minutes_days: float = Field(
        1825,
        ge=0,
        le=MAX_DAYS,
        description="days for which one-minute rollups are kept, at least as long as readings; 0 keeps them for ever",
    )
    keep_hours_days: float = Field(
        0,
        ge=0,
        le=MAX_DAYS,
        description="days for which one-hour rollups are kept, at least as long as minutes; 0 keeps them for ever",
    )
    journal_max_mb: float = Field(
        1_000,
        ge=0.01,
        le=1_000_000,
        description="megabytes for readings that wait for InfluxDB, about 12 bytes each; when they are full, nothing more is acknowledged",
    )
    keep_rejected_days: float = Field(
        30, ge=0, le=MAX_DAYS, description="days for which dead letters are kept; 0 keeps them for ever"
    )


class DecodingSettings(Settings):
    """How messages become readings: the same in every service, or live and history would differ."""

    env_prefix: ClassVar[str] = "DECODE_"
    title: ClassVar[str] = "Decoding"

    max_future_s: float = Field(
        300.0,
        ge=0,
        le=86_400 * 366,
        description="seconds that a reading's own time may be ahead of our clock",
    )


class LogSettings(Settings):
    """What the services write to standard error."""

    env_prefix: ClassVar[str] = "LOG_"
    title: ClassVar[str] = "Logs"

    level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="`debug`, `info`, `warning` or `error`"
    )
    format: str = Field(
        "auto",
        pattern="^(auto|text|json)$",
        description="`text`, `json`, or `auto`: text on a terminal, else JSON",
    )


class Loaded:
    """Checked settings by their group: `loaded[MqttSettings]` is an MqttSettings."""

    def __init__(self, groups: dict[type[Settings], Settings]) -> None:
        self._groups = groups

    def __getitem__(self, group: type[_S]) -> _S:
        found = self._groups[group]
        assert isinstance(found, group)
        return found

    def __iter__(self) -> Iterator[Settings]:
        return iter(self._groups.values())


def load(
    *groups: type[Settings], flags: Mapping[str, Any] | None = None, env_file: Path | None = None
) -> Loaded:
    """Return one checked instance of each group.

    `flags` goes from names as in the environment (`MQTT_HOST`) to values given on the command line; None means
    not given. Raises SettingsError with every problem of every group; nothing is half-read.
    """
    path = env_file or Path(os.environ.get("SENSORLINE_ENV_FILE", ".env"))
    problems: list[Problem] = []
    from_file = _read_env_file(path, groups, problems)
    given: dict[str, Any] = {}
    for source in (from_file, os.environ, flags or {}):
        # Compose files hand on what is not set as empty text.
        said = {name: value for name, value in source.items() if value is not None and value != ""}
        for name in said:
            # A secret and the file that holds it are one setting: a stronger source replaces both.
            given.pop(name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE", None)
        given |= said
    out: dict[type[Settings], Settings] = {}
    for group in groups:
        try:
            out[group] = group(**_values_of(group, given, problems))
        except SettingsError as exc:
            problems += exc.problems
    if problems:
        raise SettingsError(problems)
    return Loaded(out)


def _read_env_file(path: Path, groups: Sequence[type[Settings]], problems: list[Problem]) -> dict[str, str]:
    """Return what `.env` sets; a name there with one of our prefixes that is no setting is a slip worth a word."""
    if not path.is_file():
        return {}
    # Here, not at the top: few processes have such a file, and it brings a parser along.
    from dotenv import dotenv_values

    try:
        values = {k: v for k, v in dotenv_values(path).items() if v is not None}
    except (OSError, UnicodeDecodeError) as exc:
        why = getattr(exc, "strerror", None) or "not text"
        problems.append(Problem("SENSORLINE_ENV_FILE", str(path), f"expected a readable file: {why}"))
        return {}
    for group in groups:
        known = [group.env_name(field) for field in group.fields]
        for name in values:
            if (
                name.startswith(group.env_prefix)
                and name.removesuffix("_FILE") not in known
                and name not in known
            ):
                import difflib

                near = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else "; docs/settings.md lists them"
                problems.append(Problem(name, "…", f"expected the name of a setting in {path}{hint}"))
    return values


def _values_of(group: type[Settings], given: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in group.fields:
        name = group.env_name(field)
        if name in given:
            values[field] = given[name]
        if not group.is_secret(field) or f"{name}_FILE" not in given:
            continue
        file = Path(str(given[f"{name}_FILE"]))
        try:
            values[field] = file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as exc:
            why = getattr(exc, "strerror", None) or "not text"
            problems.append(
                Problem(f"{name}_FILE", str(file), f"expected a readable file with the secret: {why}")
            )
    return values


def _spread_url(text: str) -> dict[str, Any] | None:
    """Return what a broker URL sets, or None if it is not one."""
    schemes = {"mqtt": (1883, "tcp", False), "mqtts": (8883, "tcp", True)}
    schemes |= {"ws": (80, "websockets", False), "wss": (443, "websockets", True)}
    try:
        parts = urlsplit(text)
        default_port, transport, tls = schemes[parts.scheme]
        port = parts.port or default_port
    except (ValueError, KeyError):
        return None
    if not parts.hostname:
        return None
    out: dict[str, Any] = {"host": parts.hostname, "port": port, "transport": transport, "tls": tls}
    if parts.username:
        out["username"] = unquote(parts.username)
    if parts.password:
        out["password"] = unquote(parts.password)
    return out
