"""The page."""

from flask import Blueprint, Response, make_response, render_template

from sensorline import __version__
from sensorline_web.services import services

page = Blueprint("page", __name__)


@page.get("/")
def index() -> Response:
    """Answer the page; everything on it comes from the API and the live feed."""
    host, port = services().broker
    return make_response(
        render_template("index.html", broker_host=host, broker_port=port, version=__version__)
    )
