"""The app factory: puts the parts together. Importing it starts nothing; neither does calling it."""

import threading
import time
from collections.abc import Callable

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry

from sensorline.decoders import Decoders
from sensorline.settings import MqttSettings
from sensorline.stores.base import StoreReader
from sensorline_web.answer_cache import AnswerCache
from sensorline_web.assets import register_assets
from sensorline_web.blueprints.api import api
from sensorline_web.blueprints.chart_data import charts
from sensorline_web.blueprints.events import events
from sensorline_web.blueprints.export import export
from sensorline_web.blueprints.health import health
from sensorline_web.blueprints.page import page
from sensorline_web.charts import load_charts
from sensorline_web.config import choose_config
from sensorline_web.live.coalescer import Coalescer, Frame
from sensorline_web.live.emitter import Emitter
from sensorline_web.live.fanout import FanOut
from sensorline_web.live.feed import Feed, Link
from sensorline_web.live.liveframe import LiveFrame
from sensorline_web.live.sockets import attach_sockets
from sensorline_web.live.state import LiveState
from sensorline_web.metrics import WebMetrics
from sensorline_web.overview import Overview
from sensorline_web.problems import register_problems
from sensorline_web.readers import ReaderPool
from sensorline_web.security import register_security
from sensorline_web.services import EXTENSION, Services
from sensorline_web.settings import WebSettings


def create_app(
    settings: WebSettings,
    *,
    mqtt: MqttSettings,
    make_reader: Callable[[], StoreReader],
    link: Link,
    decoders: Decoders,
    registry: CollectorRegistry | None = None,
) -> Flask:
    """Return the app with its REST API, page and live namespace. Raises SettingsError for a bad charts file.

    `make_reader` makes a store reader; it need not work yet. `link` is a session with the broker that is not started:
    `services(app).feed.start(spawn)` does that. The Socket.IO server is `app.extensions["socketio"]`.
    """
    app = Flask("sensorline_web")
    app.config.from_object(choose_config(settings))
    metrics = WebMetrics(registry or CollectorRegistry())
    readers = ReaderPool(make_reader)
    emitter = Emitter(metrics.clients_cut)
    fanout = FanOut(emitter, metrics, settings.stalled_s)
    state = LiveState()
    feed = Feed(
        link=link,
        decoders=decoders,
        state=state,
        coalescer=_coalescer(settings, fanout, metrics),
        readers=readers,
        metrics=metrics,
        announce=fanout.announce,
        send_announced=fanout.send_announced,
        catch_up=fanout.catch_up,
        tell_rooms=fanout.tell,
    )
    overview = Overview(state, readers, feed.tell)
    feed.on_event = overview.expire
    app.extensions[EXTENSION] = Services(
        settings=settings,
        broker=settings.broker_host_port(mqtt),
        readers=readers,
        overview=overview,
        feed=feed,
        metrics=metrics,
        charts=load_charts(settings.charts_file),
        cache=AnswerCache(app, settings),
        exports=threading.BoundedSemaphore(settings.max_exports),
    )
    for blueprint in (page, api, events, export, charts, health):
        app.register_blueprint(blueprint)
    register_problems(app)
    register_security(app)
    register_assets(app)
    _measure_requests(app, metrics)
    attach_sockets(app, settings, feed, emitter, fanout, metrics)
    return app


def _coalescer(settings: WebSettings, fanout: FanOut, metrics: WebMetrics) -> Coalescer:
    def emit(room: str, frame: Frame) -> None:
        fanout.send(room, LiveFrame(time.time_ns() // 10**6, frame), time.monotonic())

    return Coalescer(
        emit,
        tick_s=settings.tick_ms / 1000,
        gather_s=settings.gather_ms / 1000,
        on_skipped=metrics.readings_skipped.inc,
    )


def _measure_requests(app: Flask, metrics: WebMetrics) -> None:
    @app.before_request
    def _start() -> None:
        g.started_s = time.perf_counter()

    @app.after_request
    def _end(response: Response) -> Response:
        endpoint = request.endpoint or "none"
        started_s = g.get("started_s")
        if started_s is not None:
            metrics.request_seconds.labels(endpoint).observe(time.perf_counter() - started_s)
        metrics.responses.labels(endpoint, str(response.status_code)).inc()
        return response
