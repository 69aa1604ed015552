"""Groups of settings as classes of fields: how text becomes a value, and what is said when it cannot.

Small on purpose, instead of a validation library: those keep 14 MB in each process for values that are read once.
docs/architecture.md has the figures.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, NamedTuple, Union, dataclass_transform, get_args, get_origin
from urllib.parse import urlsplit

from sensorline.errors import Problem, SettingsError

MASK = "********"

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


class SecretStr:
    """Text that no print, log or format shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text itself."""
        return self._text

    def __str__(self) -> str:
        return MASK if self._text else ""

    def __repr__(self) -> str:
        return f"SecretStr({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class FieldSpec(NamedTuple):
    """What is declared of one field; Field() explains it."""

    default: Any
    default_factory: Callable[[], Any] | None
    description: str
    ge: float | None
    le: float | None
    min_length: int | None
    max_length: int | None
    pattern: str | None
    read: Callable[[Any], Any] | None
    check: Callable[[Any, Mapping[str, Any]], Any] | None
    kind: Any = None


def Field(  # noqa: N802 - it stands where a class would: `port: int = Field(1883, ge=1)`
    default: Any = None,
    *,
    description: str,
    default_factory: Callable[[], Any] | None = None,
    ge: float | None = None,
    le: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    read: Callable[[Any], Any] | None = None,
    check: Callable[[Any, Mapping[str, Any]], Any] | None = None,
) -> Any:
    """Declare a field of a Settings group; its annotation says what it holds.

    Text becomes str, int, float, bool, Path, SecretStr, one of a Literal, or one of these or None; whatever else goes
    through `read(given)` first. `check(value, before)` sees the value and the group's good fields declared before it, and
    returns the value to keep. Both raise ValueError with a sentence that begins with `expected`. Defaults are checked too.
    """
    return FieldSpec(
        default, default_factory, description, ge, le, min_length, max_length, pattern, read, check
    )


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Settings:
    """A frozen group of settings with one prefix. Making one raises SettingsError with everything that is wrong."""

    env_prefix: ClassVar[str] = ""
    title: ClassVar[str] = ""
    fields: ClassVar[Mapping[str, FieldSpec]] = {}
    given: frozenset[str]
    """The fields that were given; the others have their defaults."""

    def __init_subclass__(cls) -> None:
        own = {
            name: spec._replace(kind=cls.__annotations__[name])
            for name, spec in vars(cls).items()
            if isinstance(spec, FieldSpec)
        }
        for name in own:
            delattr(cls, name)
        cls.fields = {**cls.fields, **own}

    def __init__(self, **values: Any) -> None:
        unknown = values.keys() - self.fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        values = self.completed(values)
        good = self.__dict__
        problems = []
        for name, spec in self.fields.items():
            given = values.get(name, spec.default_factory() if spec.default_factory else spec.default)
            try:
                value = spec.read(given) if spec.read else given
                value = _converted(value, spec.kind)
                _check_limits(value, spec)
                good[name] = spec.check(value, good) if spec.check else value
            except ValueError as exc:
                problems.append(self._problem(name, given, str(exc)))
        if problems:
            raise SettingsError(problems)
        good["given"] = frozenset(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.fields)})"
        )

    @classmethod
    def completed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the given values with those that follow from them; a hook for groups."""
        return values

    @classmethod
    def env_name(cls, field: str) -> str:
        """Return the name of a field in the environment."""
        return f"{cls.env_prefix}{field}".upper()

    @classmethod
    def is_secret(cls, field: str) -> bool:
        """Tell whether a field's value is masked wherever settings are shown, and may come from a file."""
        return cls.fields[field].kind is SecretStr

    @classmethod
    def default_text(cls, field: str) -> str:
        """Return a default as it would be written; a computed one in words, in parentheses."""
        spec = cls.fields[field]
        return "(from this machine)" if spec.default_factory else _as_text(spec.default)

    def shown(self) -> dict[str, str]:
        """Return every setting by its name in the environment, as text, secrets masked."""
        return {
            self.env_name(field): without_password(_as_text(getattr(self, field))) for field in self.fields
        }

    def _problem(self, field: str, given: Any, message: str) -> Problem:
        if not message.startswith("expected"):
            message = f"expected {self.fields[field].description}: {message}"
        text = "" if given is None else str(given)
        shown = MASK if self.is_secret(field) and text else without_password(text)
        return Problem(self.env_name(field), shown, message)


def _converted(value: Any, kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return _converted_to_one_of(value, get_args(kind))
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            *others, last = map(repr, get_args(kind))
            raise ValueError(f"expected {', '.join(others)} or {last}" if others else f"expected {last}")
        return value
    convert = _CONVERTERS.get(kind)
    return convert(value) if convert else value


def _converted_to_one_of(value: Any, kinds: tuple[Any, ...]) -> Any:
    if value is None and type(None) in kinds:
        return None
    problem = ValueError()
    for kind in kinds:
        try:
            return _converted(value, kind)
        except ValueError as exc:
            problem = exc
    raise problem


def _to_int(value: Any) -> int:
    try:
        # A float would be cut off.
        return int(value if isinstance(value, str | int) else str(value))
    except ValueError:
        raise ValueError("expected a valid integer, unable to parse string as an integer") from None


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except (ValueError, TypeError):
        raise ValueError("expected a valid number, unable to parse string as a number") from None


def _to_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ValueError("expected a valid boolean, unable to interpret input")
    return text in _TRUE


def _to_str(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a valid string")
    return value


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    str: _to_str,
    int: _to_int,
    float: _to_float,
    bool: _to_bool,
    Path: Path,
    SecretStr: lambda value: value if isinstance(value, SecretStr) else SecretStr(_to_str(value)),
}


def _check_limits(value: Any, spec: FieldSpec) -> None:
    # Written so that NaN, which compares as false, is refused.
    if spec.le is not None and not value <= spec.le:
        raise ValueError(f"expected less than or equal to {spec.le}")
    if spec.ge is not None and not value >= spec.ge:
        raise ValueError(f"expected greater than or equal to {spec.ge}")
    unit = "characters" if isinstance(value, str) else "items"
    if spec.min_length is not None and len(value) < spec.min_length:
        raise ValueError(f"too short, at least {spec.min_length} {unit}")
    if spec.max_length is not None and len(value) > spec.max_length:
        raise ValueError(f"too long, at most {spec.max_length} {unit}")
    if spec.pattern is not None and not re.fullmatch(spec.pattern, value):
        raise ValueError(f"it does not match '{spec.pattern}'")


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def without_password(text: str) -> str:
    """Return a text with the password of a URL in it masked."""
    if "://" not in text or "@" not in text:
        return text
    parts = urlsplit(text)
    return text.replace(f":{parts.password}@", f":{MASK}@") if parts.password else text
