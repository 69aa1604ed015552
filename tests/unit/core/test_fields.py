"""Fields: how text becomes a value, and what is said when it cannot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from sensorline.errors import SettingsError
from sensorline.fields import Field, SecretStr, Settings


def _not_the_name(value: str, before: Mapping[str, Any]) -> str:
    if value == before.get("name"):
        raise ValueError("expected something else than GARDEN_NAME")
    return value


def _plan_of_many(value: Path | None, before: Mapping[str, Any]) -> Path | None:
    if value is None and before.get("trees") == 9:
        raise ValueError("expected a file, because GARDEN_TREES is 9")
    return value


class GardenSettings(Settings):
    """One field of each kind."""

    env_prefix: ClassVar[str] = "GARDEN_"

    name: str = Field("eden", min_length=1, max_length=5, pattern="^[a-z]*$", description="its name")
    twin: str = Field("", check=_not_the_name, description="another")
    trees: int = Field(2, ge=1, le=9, description="how many trees")
    area: float = Field(1.5, ge=0.5, description="area in m²")
    is_open: bool = Field(True, description="open or not")
    gate: Literal["wood", "iron", "none"] = Field("wood", description="what the gate is of")
    plan: Path | None = Field(None, check=_plan_of_many, description="file of the plan")
    depth: float | Literal["max"] = Field(1.0, description="depth of the well")
    beds: tuple[str, ...] = Field(("a",), read=tuple, description="beds")
    key: SecretStr = Field(SecretStr(""), description="key of the gate")
    owner: str = Field(default_factory=lambda: "adam", description="who owns it")


def problem(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        GardenSettings(**values)
    (found,) = caught.value.problems
    return str(found)


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("trees", " 5 ", 5),
        ("trees", 5, 5),
        ("area", "2", 2.0),
        ("is_open", "Off", False),
        ("is_open", "yes", True),
        ("is_open", False, False),
        ("gate", "iron", "iron"),
        ("plan", "a/b.pdf", Path("a/b.pdf")),
        ("plan", None, None),
        ("depth", "2.5", 2.5),
        ("depth", "max", "max"),
        ("beds", "xyz", ("x", "y", "z")),
        ("key", "hush", SecretStr("hush")),
    ],
)
def test_text_becomes_what_the_annotation_says(field: str, given: Any, value: Any) -> None:
    found = getattr(GardenSettings(**{field: given}), field)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("field", "given", "says"),
    [
        ("name", "Eden", "expected its name: it does not match '^[a-z]*$'"),
        ("name", "eden\n", "expected its name: it does not match '^[a-z]*$'"),
        ("name", "", "expected its name: too short, at least 1 characters"),
        ("name", "paradise", "expected its name: too long, at most 5 characters"),
        ("name", 5, "expected a valid string"),
        ("twin", "eden", "expected something else than GARDEN_NAME"),
        ("trees", "0", "expected greater than or equal to 1"),
        ("trees", "10", "expected less than or equal to 9"),
        ("trees", "2.5", "expected a valid integer, unable to parse string as an integer"),
        ("trees", 2.5, "expected a valid integer, unable to parse string as an integer"),
        ("area", "nan", "expected greater than or equal to 0.5"),
        ("area", "wide", "expected a valid number, unable to parse string as a number"),
        ("is_open", "ajar", "expected a valid boolean, unable to interpret input"),
        ("gate", "glass", "expected 'wood', 'iron' or 'none'"),
        ("depth", "deep", "expected 'max'"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_expected(field: str, given: Any, says: str) -> None:
    assert problem(**{field: given}) == f"GARDEN_{field.upper()}={given}: {says}"


def test_a_default_is_checked_as_well() -> None:
    assert problem(trees=9) == "GARDEN_PLAN=: expected a file, because GARDEN_TREES is 9"


def test_a_check_sees_the_good_fields_before_it() -> None:
    assert GardenSettings(name="abc", twin="eden").twin == "eden"


def test_it_is_known_what_was_given_and_what_is_a_default() -> None:
    garden = GardenSettings(trees="2")  # type: ignore[arg-type]  # as it comes from the environment
    assert garden.given == {"trees"}
    assert garden.owner == "adam"
    assert [GardenSettings.default_text(f) for f in ("owner", "beds", "is_open", "plan")] == [
        "(from this machine)",
        "a",
        "true",
        "",
    ]


def test_a_name_that_is_no_field_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="GardenSettings has no treees"):
        GardenSettings(treees=1)  # type: ignore[call-arg]


def test_a_secret_shows_itself_nowhere() -> None:
    garden = GardenSettings(key="hush")  # type: ignore[arg-type]
    assert "hush" not in f"{garden!r} {garden} {garden.shown()} {garden.key} {garden.key!r}"
    assert garden.key.get_secret_value() == "hush"
    assert {SecretStr("a"), SecretStr("a")} == {SecretStr("a")}
