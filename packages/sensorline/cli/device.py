"""`sensorline device`: who may connect to a Mosquitto that asks for passwords."""

import os
import re
import shlex
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sensorline.accounts import SERVICES, PasswordFile, check_account, check_new_device, new_password
from sensorline.errors import SensorlineError

_F = TypeVar("_F", bound=Callable[..., Any])

TLS_PORT = 8883
_NEEDS_NO_QUOTES = re.compile(r"[\w./:@%+=-]*", re.ASCII)


def _folder_option(function: _F) -> _F:
    return click.option(
        "--folder",
        default="/etc/mosquitto",
        show_default=True,
        type=click.Path(path_type=Path),
        help="Folder with the broker's password file, passwd.",
    )(function)


def _reload_option(function: _F) -> _F:
    return click.option(
        "--reload-pid",
        "broker",
        metavar="PID|FILE",
        envvar="BROKER_PID",
        show_envvar=True,
        help="The broker's process id, or its pid file: it reads the passwords again at once.",
    )(function)


@click.group()
def device() -> None:
    """Add, remove or list those who may connect to a Mosquitto with mosquitto/mosquitto.conf."""


@device.command()
@click.argument("name")
@_folder_option
@_reload_option
@click.option("--renew", is_flag=True, help="Give an existing one a new password.")
@click.option("--service", is_flag=True, help=f"NAME is a service's user: {', '.join(SERVICES)}.")
@click.option(
    "--password-to",
    "password_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the password into this new file (mode 0600) instead of showing it.",
)
@click.option(
    "-h",
    "--host",
    metavar="HOST",
    envvar="BROKER_HOST",
    show_envvar=True,
    help="Broker's name as devices reach it; default: this machine's.",
)
@click.option(
    "-p",
    "--port",
    default=TLS_PORT,
    show_default=True,
    envvar="BROKER_PORT",
    show_envvar=True,
    type=click.IntRange(1, 65_535),
    help="Its port.",
)
@click.option(
    "--cafile",
    metavar="FILE",
    envvar="BROKER_CAFILE",
    show_envvar=True,
    help="Authority to trust, PEM, where the device has it; with 8883 TLS is on.",
)
def add(
    name: str,
    folder: Path,
    broker: str | None,
    renew: bool,
    service: bool,
    password_file: Path | None,
    host: str | None,
    port: int,
    cafile: str | None,
) -> None:
    """Give device NAME a password, and print what to publish with and the .env of a sensor node.

    The password is shown once; only its hash is kept. The device can write sensors/NAME/… and read acks/NAME, no more.
    """
    file = PasswordFile(folder)
    existing = file.users()
    name = _service(name) if service else check_new_device(name, existing)
    if name in existing and not renew:
        raise SensorlineError(
            f"{name!r} is in {file.path} already; --renew gives it a new password, and the old one ends"
        )
    pid = _broker_process(broker)
    password_file = password_file.absolute() if password_file else None
    password = new_password()
    if password_file is not None:
        _write_secret(password_file, password)
    is_new = file.set(name, password)
    _reload(pid)
    access = _Access(name, password, password_file, host or socket.gethostname(), port, cafile)
    what = "added to" if is_new else "has a new password in"
    shown = f"the password is in {password_file}" if password_file else "this is the only time it is shown"
    click.echo(f"{name} {what} {file.path}; {shown}.", err=True)
    if pid is None:
        click.echo(
            "The broker knows it after SIGHUP: systemctl reload mosquitto, or docker compose kill -s HUP mosquitto.",
            err=True,
        )
    if not service:
        click.echo(f"# Publish a reading:\n{access.publish_line()}\n")
    click.echo(
        f"# .env of {'the service' if service else 'a sensor node'}:\n{access.env(is_node=not service)}"
    )


@device.command()
@click.argument("name")
@_folder_option
@_reload_option
def remove(name: str, folder: Path, broker: str | None) -> None:
    """Take NAME's password away. A broker told with --reload-pid also ends its connection."""
    name = check_account(name)
    file = PasswordFile(folder)
    pid = _broker_process(broker)
    if not file.remove(name):
        raise SensorlineError(
            f"there is no {name!r} in {file.path}; `sensorline device list` shows who there is"
        )
    _reload(pid)
    rest = "" if pid else "; the broker lets it in until SIGHUP (systemctl reload mosquitto) or a restart"
    click.echo(f"removed {name}{rest}")


@device.command("list")
@_folder_option
def list_(folder: Path) -> None:
    """List who has a password: name, and what the name may write."""
    file = PasswordFile(folder)
    users = file.users()
    for user in users:
        click.echo(f"{user:<24} {'service' if user in SERVICES else f'sensors/{user}/#'}")
    if not users:
        click.echo(f"nobody has a password in {file.path}", err=True)


class _Access:
    """What somebody needs to know in order to connect as this user."""

    def __init__(
        self, user: str, password: str, password_file: Path | None, host: str, port: int, cafile: str | None
    ) -> None:
        self._user, self._password, self._password_file = user, password, password_file
        self._host, self._port, self._cafile = host, port, cafile
        self._tls = cafile is not None or port == TLS_PORT

    def publish_line(self) -> str:
        """Return a command for a shell that publishes one reading as this device."""
        secret = (
            f'"$(cat {shlex.quote(str(self._password_file))})"' if self._password_file else self._password
        )
        words = ["mosquitto_pub", "-h", shlex.quote(self._host), "-p", str(self._port)]
        if self._tls:
            words += ["--cafile", shlex.quote(self._cafile)] if self._cafile else ["--tls-use-os-certs"]
        words += ["-u", shlex.quote(self._user), "-P", secret, "-q", "1"]
        words += ["-t", shlex.quote(f"sensors/{self._user}/temperature"), "-m", "21.5"]
        return " ".join(words)

    def env(self, *, is_node: bool) -> str:
        """Return the lines of a .env file."""
        values = {"NODE_NAME": self._user} if is_node else {}
        values |= {"MQTT_HOST": self._host, "MQTT_PORT": str(self._port)}
        if self._tls:
            values["MQTT_TLS"] = "true"
        if self._cafile:
            values["MQTT_CAFILE"] = self._cafile
        values["MQTT_USERNAME"] = self._user
        if self._password_file:
            values["MQTT_PASSWORD_FILE"] = str(self._password_file)
        else:
            values["MQTT_PASSWORD"] = self._password
        return "\n".join(f"{name}={_env_value(value)}" for name, value in values.items())


def _env_value(value: str) -> str:
    if _NEEDS_NO_QUOTES.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _service(name: str) -> str:
    if name not in SERVICES:
        raise SensorlineError(f"{name!r} is no service; expected one of {', '.join(SERVICES)}")
    return name


def _write_secret(path: Path, secret: str) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secret}\n")
    except OSError as exc:
        raise SensorlineError(
            f"cannot write the password to {path}: {exc.strerror}; nothing was changed, name a new file in a folder of yours"
        ) from exc


def _broker_process(given: str | None) -> int | None:
    """Return the broker's process id, checked before anything is changed: SIGHUP ends programs that do not expect it."""
    if given is None:
        return None
    try:
        pid = int(given if given.isdigit() else Path(given).read_text())
        program = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or "it holds no number"
        raise SensorlineError(
            f"--reload-pid {given}: {why}; expected the process id of a running mosquitto, or its pid_file; nothing was changed"
        ) from exc
    if program != "mosquitto":
        raise SensorlineError(
            f"--reload-pid {given}: process {pid} is {program!r}, not mosquitto; nothing was changed"
        )
    return pid


def _reload(pid: int | None) -> None:
    if pid is None:
        return
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as exc:
        click.echo(
            f"cannot tell the broker (process {pid}): {exc.strerror}; send it SIGHUP as root", err=True
        )
