"""What may be written to directly is known by what it is; everything else goes through Engine.IO's queues."""

import socket
import ssl
from types import SimpleNamespace
from typing import Any

import pytest
from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI

from sensorline_web.live import engine
from sensorline_web.live.engine import prepare_engine, why_not


def test_the_pinned_libraries_are_known() -> None:
    assert why_not(SimpleWebSocketWSGI) is None


def test_another_driver_and_another_release_are_not() -> None:
    class Other:
        pass

    assert "Other is not known" in str(why_not(Other))
    assert "is not known" in str(why_not(None))


def test_another_release_is_told_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "version", lambda package: "9.0.1")
    assert why_not(SimpleWebSocketWSGI) == "python-engineio is 9.0.1, known is 4.15"


def test_an_unknown_driver_is_used_as_it_is_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    def driver(handler: Any, server: Any) -> Any:
        return handler

    handler = object()
    server = SimpleNamespace(_async={"websocket": driver})
    prepare_engine(server, 1, is_direct=True)
    assert server._async["websocket"](handler, None) is handler
    assert capsys.readouterr().out.count("live_direct_off") == 1


@pytest.fixture
def plain() -> Any:
    with socket.socket() as sock:
        yield sock


def test_plain_sockets_have_outlets(plain: socket.socket) -> None:
    simple = SimpleNamespace(ws=SimpleNamespace(sock=plain))
    assert engine._socket_of(simple) == (simple.ws, "sock")
    green = SimpleNamespace(version=13, extensions={}, socket=plain)
    assert engine._socket_of(green) == (green, "socket")


def test_tls_old_dialects_and_extensions_have_none(plain: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with context.wrap_socket(socket.socket(), server_hostname="localhost") as tls:
        assert engine._socket_of(SimpleNamespace(ws=SimpleNamespace(sock=tls))) == (None, "")
        assert engine._socket_of(SimpleNamespace(version=13, extensions={}, socket=tls)) == (None, "")
    assert engine._socket_of(SimpleNamespace(version=76, extensions={}, socket=plain)) == (None, "")
    deflated = SimpleNamespace(version=13, extensions={"permessage-deflate": {}}, socket=plain)
    assert engine._socket_of(deflated) == (None, "")
    assert engine._socket_of(SimpleNamespace()) == (None, "")
