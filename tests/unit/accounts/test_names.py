"""A device's name is its user name; what a password file or the rules cannot hold is refused in one line."""

import pytest

from sensorline.accounts import check_account, check_new_device
from sensorline.errors import SensorlineError


@pytest.mark.parametrize("name", ["desk", "house/attic", "zigbee2mqtt/kitchen/fridge", "Größe 2", "a.b-c_d"])
def test_a_device_name_is_a_user_name(name: str) -> None:
    assert check_new_device(name, ["other", "hou", "desk2"]) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "empty"),
        ("a+b", "wildcards"),
        ("#", "wildcards"),
        ("a//b", "empty level"),
        ("/a", "empty level"),
        ("a/", "empty level"),
        ("$status", "starts with \\$"),
        ("a\nb", "U\\+000A"),
        ("a:b", "ends a name at a colon"),
        (" a", "blank"),
        ("a ", "blank"),
        ("x" * 129, "129 characters"),
        ("ingest", "user of a service"),
        ("web", "user of a service"),
        ("admin", "user of a service"),
    ],
)
def test_every_other_name_is_refused_in_one_clear_line(name: str, said: str) -> None:
    with pytest.raises(SensorlineError, match=said) as caught:
        check_new_device(name, [])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("new", "existing"),
    [("house/attic", "house"), ("house", "house/attic"), ("web/a", "web"), ("a/b/c", "a")],
)
def test_no_device_lies_inside_another_ones_topics(new: str, existing: str) -> None:
    with pytest.raises(SensorlineError, match="lies inside"):
        check_new_device(new, ["desk", existing])
    assert check_account(new) == new


def test_names_that_look_the_same_are_the_same() -> None:
    assert check_new_device("Gro\u0308ße", []) == "Größe"
