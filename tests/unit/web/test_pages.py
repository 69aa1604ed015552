"""The pages as they are answered: which there are, for which names, and what they load."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient


def device_named_by(html: str) -> str:
    found = re.search(r'data-device="([^"]*)"', html)
    assert found, html[:500]
    return unescape(found[1])


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/devices/desk", "desk"),
        ("/devices/zigbee2mqtt/k%C3%BCche/fridge", "zigbee2mqtt/küche/fridge"),
        ("/devices/a%20b%3F%25%26%22%3Cscript%3E", 'a b?%&"<script>'),
        ("/devices?name=a/../b", "a/../b"),
        # Twins that look the same are the same device.
        ("/devices/ku%CC%88che", "küche"),
    ],
)
def test_a_device_of_any_name_has_a_page(client: FlaskClient, address: str, name: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert device_named_by(answer.get_data(as_text=True)) == name
    assert "<script>" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "address", ["/devices", "/devices?name=", "/devices/a//b", "/devices/$x", "/devices/a%23b"]
)
def test_what_no_device_is_called_has_no_page(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    assert "There is no such device: " in answer.get_json()["detail"]


@pytest.mark.parametrize("address", ["/", "/devices/hall/door"])
def test_what_a_page_names_is_there_and_nothing_is_inline(
    make_app: Callable[..., Flask], address: str
) -> None:
    client = make_app().test_client()
    html = client.get(address).get_data(as_text=True)
    for link in re.findall(r'(?:src|href)="(/static/(?!vendor/)[^"#]+)"', html):
        with client.get(unescape(link)) as answer:
            assert answer.status_code == 200, link
            assert "immutable" in answer.headers["Cache-Control"], link
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", html)


def test_a_page_behind_a_prefix_names_addresses_there(client: FlaskClient) -> None:
    html = client.get("/devices/desk", environ_overrides={"SCRIPT_NAME": "/sensors"}).get_data(as_text=True)
    assert 'data-root="/sensors/"' in html
    assert 'href="/sensors/static/css/device.css' in html


def test_devices_can_be_chosen_by_name(client: FlaskClient) -> None:
    def named(query: str) -> list[str]:
        return [entry["device"] for entry in client.get(f"/api/v1/devices{query}").get_json()["devices"]]

    assert named("") == ["desk", "hall/door"]
    assert named("?device=hall/door") == ["hall/door"]
    assert named("?device=hall/door&device=desk&device=hall/door") == ["hall/door", "desk"]
    assert named("?device=nobody") == []
