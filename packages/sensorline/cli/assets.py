"""`sensorline assets`: the page's libraries from npm."""

from importlib.util import find_spec
from pathlib import Path

import click

from sensorline.up.assets import install_assets


def web_package() -> Path:
    """Return the folder of the web service's package, without importing it."""
    spec = find_spec("sensorline_web")
    if spec is None or spec.origin is None:
        raise click.ClickException("the web service is not installed: pip install 'sensorline[web]'")
    return Path(spec.origin).parent


def vendor_folder() -> Path:
    """Return the folder of the web service's static files from npm."""
    return web_package() / "static" / "vendor"


@click.command("assets")
def assets() -> None:
    """Bring Chart.js and the Socket.IO client from npm, checked by SHA-256; does nothing if they are there."""
    package_json = web_package().parent / "package.json"
    if not package_json.is_file():
        click.echo("the page's libraries are part of this installation")
        return
    node_pins = package_json.parents[2] / "requirements" / "node.txt"
    fetched = install_assets(package_json, vendor_folder(), node_pins)
    for asset in fetched:
        click.echo(f"{asset.package} {asset.version} → {vendor_folder() / asset.file_name}")
