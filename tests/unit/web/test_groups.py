"""Groups: same wish, same room; nobody left, nothing left."""

import pytest

from sensorline.errors import QueryError
from sensorline.reading import Series
from sensorline_web.live.groups import ALL_ROOM, WATCH_MAX, Groups, parse_wish, room_of

A, B = Series("desk", "a"), Series("desk", "b")


def test_the_same_set_is_the_same_room_in_any_order() -> None:
    assert room_of(parse_wish({"series": [["desk", "a"], ["desk", "b"]]})) == room_of(frozenset({B, A}))


def test_all_has_a_room_of_its_own() -> None:
    assert room_of(parse_wish({"all": True})) == ALL_ROOM


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "all",
        {},
        {"all": 1},
        {"series": "desk"},
        {"series": [["desk"]]},
        {"series": [["desk", 1]]},
        {"series": [["de+sk", "a"]]},
        {"series": [["d", f"m{i}"] for i in range(WATCH_MAX + 1)]},
    ],
)
def test_a_wish_that_is_none_is_refused_in_words(message: object) -> None:
    with pytest.raises(QueryError) as caught:
        parse_wish(message)
    assert caught.value.detail


def test_a_new_wish_replaces_the_old_one() -> None:
    groups = Groups()
    _, first = groups.watch("x", frozenset({A}))
    left, joined = groups.watch("x", frozenset({B}))
    assert left == first
    assert joined == room_of(frozenset({B}))
    assert list(groups.of(A)) == []


def test_the_same_wish_again_changes_nothing() -> None:
    groups = Groups()
    groups.watch("x", frozenset({A}))
    assert groups.watch("x", frozenset({A})) == (None, None)


def test_an_empty_wish_is_no_group() -> None:
    groups = Groups()
    groups.watch("x", frozenset({A}))
    assert groups.watch("x", frozenset())[1] is None
    assert len(groups) == 0


def test_a_group_ends_with_its_last_member() -> None:
    groups = Groups()
    groups.watch("x", frozenset({A, B}))
    groups.watch("y", frozenset({B, A}))
    assert groups.forget("x") == room_of(frozenset({A, B}))
    assert [group.members for group in groups.of(A)] == [{"y"}]
    groups.forget("y")
    assert (len(groups), list(groups.of(A)), list(groups.of(B))) == (0, [], [])


def test_forgetting_a_stranger_is_no_error() -> None:
    assert Groups().forget("nobody") is None
