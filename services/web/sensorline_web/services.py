"""What the views work with: built once by create_app, found through the app."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask, current_app

from sensorline_web.answer_cache import AnswerCache
from sensorline_web.charts import Chart
from sensorline_web.live.feed import Feed
from sensorline_web.metrics import WebMetrics
from sensorline_web.overview import Overview
from sensorline_web.readers import ReaderPool
from sensorline_web.settings import WebSettings

EXTENSION = "sensorline"


@dataclass(frozen=True)
class Services:
    """The parts of one web app. `exports` bounds how many exports run at the same time."""

    settings: WebSettings
    broker: tuple[str, int]
    readers: ReaderPool
    overview: Overview
    feed: Feed
    metrics: WebMetrics
    charts: Mapping[str, Chart]
    cache: AnswerCache
    exports: threading.BoundedSemaphore


def services(app: Flask | None = None) -> Services:
    """Return the parts of an app, or of the one that answers the current request."""
    found = (app or current_app).extensions[EXTENSION]
    assert isinstance(found, Services)
    return found
