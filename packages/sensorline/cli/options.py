"""Options that several subcommands share, named as mosquitto_sub names them (`-h` is the host, `--help` the help)."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])

_MQTT: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("-L", "--url", "MQTT_URL"), "URL", "Broker as mqtt://user:password@host:port."),
    (("-h", "--host", "MQTT_HOST"), "HOST", "Broker's host name or address."),
    (("-p", "--port", "MQTT_PORT"), "PORT", "Broker's port."),
    (("-u", "--username", "MQTT_USERNAME"), "NAME", "User name."),
    (
        ("-P", "--pw", "MQTT_PASSWORD"),
        "PASSWORD",
        "Password; others can see it in the process list, MQTT_PASSWORD_FILE is better.",
    ),
    (("-k", "--keepalive", "MQTT_KEEPALIVE_S"), "SECONDS", "Keepalive."),
    (("--cafile", "MQTT_CAFILE"), "FILE", "Authorities to trust, PEM; switches TLS on."),
    (("--cert", "MQTT_CERT"), "FILE", "Client certificate, PEM."),
    (("--key", "MQTT_KEY"), "FILE", "Client key, PEM."),
)


def mqtt_options(function: _F) -> _F:
    """Add the broker's options; the command gets them as keyword arguments named like the environment's settings."""
    for names, metavar, text in reversed(_MQTT):
        *flags, target = names
        function = click.option(*flags, target.lower(), metavar=metavar, help=text)(function)
    return click.option(
        "--insecure", "mqtt_insecure", is_flag=True, default=None, help="Do not check the host name."
    )(function)


def log_options(function: _F) -> _F:
    """Add `-d` and `--quiet`, as mosquitto_sub has them."""
    function = click.option(
        "--quiet", "log_level", flag_value="error", default=None, help="Log errors only."
    )(function)
    return click.option(
        "-d", "--debug", "log_level", flag_value="debug", default=None, help="Log everything."
    )(function)


def flags(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a command's arguments as settings by their names in the environment; what was not given is left out."""
    given = {name.upper(): value for name, value in arguments.items() if value is not None and value != ()}
    if "MQTT_CAFILE" in given:
        given.setdefault("MQTT_TLS", True)
    return {name: ",".join(value) if isinstance(value, tuple) else value for name, value in given.items()}
