"""The pages: the dashboard, and one for each device."""

from flask import Blueprint, Response, make_response, render_template, request

from sensorline import __version__
from sensorline.errors import Rejected
from sensorline.topics import check_device
from sensorline_web.problems import NotFound
from sensorline_web.services import services

page = Blueprint("page", __name__)


@page.get("/")
def index() -> Response:
    """Answer the dashboard; everything on it comes from the API and the live feed."""
    host, port = services().broker
    return make_response(
        render_template("index.html", broker_host=host, broker_port=port, version=__version__)
    )


@page.get("/devices/<path:name>")
def device(name: str) -> Response:
    """Answer a device's page, also before the device was heard of: it comes to life with the first reading."""
    try:
        checked = check_device(name)
    except Rejected as exc:
        raise NotFound(f"There is no such device: {exc.detail}.") from None
    return make_response(render_template("device.html", device=checked))


@page.get("/devices")
def device_by_name() -> Response:
    """Answer the page of the device that `name` says: names with a level `..` fit into no path."""
    return device(request.args.get("name", ""))
