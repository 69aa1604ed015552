"""`sensorline config`: what is in force, and what can be set."""

from collections.abc import Iterator
from typing import Any

import click

from sensorline.cli.options import flags, mqtt_options
from sensorline.fields import Settings
from sensorline.settings import DecodingSettings, LogSettings, MqttSettings, StoreSettings, load


def all_groups() -> list[type[Settings]]:
    """Return every group of settings, in the order of docs/settings.md."""
    from sensorline.stores.influxdb.settings import InfluxSettings
    from sensorline.up.settings import UpSettings
    from sensorline_ingest.settings import IngestSettings
    from sensorline_node.settings import NodeSettings
    from sensorline_web.settings import WebSettings

    return [
        MqttSettings,
        StoreSettings,
        InfluxSettings,
        DecodingSettings,
        IngestSettings,
        WebSettings,
        NodeSettings,
        UpSettings,
        LogSettings,
    ]


@click.command()
@mqtt_options
@click.option("--as-markdown", "form", flag_value="markdown", help="Print docs/settings.md instead.")
@click.option("--as-env-example", "form", flag_value="env", help="Print .env.example instead.")
def config(form: str | None, **arguments: Any) -> None:
    """Print every setting in force, secrets masked."""
    if form is not None:
        for line in _markdown() if form == "markdown" else _env_example():
            click.echo(line)
        return
    for settings in load(*all_groups(), flags=flags(arguments)):
        click.echo(f"# {settings.title}")
        for name, value in settings.shown().items():
            click.echo(f"{name}={value}")


def _markdown() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield "Made by `sensorline config --as-markdown`; a test compares the two."
    yield ""
    yield "Every setting is an environment variable, or a line in `.env` in the working directory. Precedence: command-line"
    yield "flag, environment, `.env`, default. A secret can be read from a file: `MQTT_PASSWORD_FILE=/run/secrets/mqtt` stands"
    yield "for `MQTT_PASSWORD`. `sensorline config` prints what is in force, secrets masked. With a bad setting nothing starts:"
    yield "all of them are listed, with name, value and what was expected, and the exit code is 2."
    for group in all_groups():
        yield f"\n## {group.title}\n"
        yield "| setting | default | meaning |"
        yield "| --- | --- | --- |"
        for field, spec in group.fields.items():
            secret = " (secret)" if group.is_secret(field) else ""
            default = group.default_text(field)
            shown = f"`{default}`" if default and not default.startswith("(") else default
            yield f"| `{group.env_name(field)}` | {shown} | {spec.description}{secret} |"


def _env_example() -> Iterator[str]:
    yield "# Copy to .env and take the # from the lines that you change. docs/settings.md says more."
    for group in all_groups():
        yield f"\n# {group.title}"
        for field in group.fields:
            default = group.default_text(field)
            yield f"#{group.env_name(field)}={'' if default.startswith('(') else default}"
