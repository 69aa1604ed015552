"""Libraries without what they bring along: hidden or put off, and nothing that a program can see changes."""

import subprocess
import sys

import pytest

from sensorline.sparing import absent, on_first_use


def test_an_absent_package_is_not_found_in_the_block_and_is_found_after_it() -> None:
    sys.modules.pop("colorsys", None)
    with absent("colorsys", "no_such_package"), pytest.raises(ModuleNotFoundError):
        import colorsys
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_what_is_loaded_already_stays_visible() -> None:
    import string

    with absent("string"), on_first_use("string"):
        import string as again
    assert again is string


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# In a fresh interpreter each: whether a module is loaded is a matter of the whole process.
BEGIN = "import sys; from sensorline.sparing import on_first_use\nwith on_first_use('xml.dom', 'wave'):\n    import wave, xml.dom\n"


def test_a_module_is_loaded_when_something_of_it_is_asked_for() -> None:
    assert python(BEGIN + "print('wave' in sys.modules, 'xml.dom' in sys.modules)") == "False False"
    assert python(BEGIN + "print(wave.open.__name__, 'wave' in sys.modules)") == "open True"
    assert python(BEGIN + "print(xml.dom.Node.__name__, 'xml.dom' in sys.modules)") == "Node True"


def test_it_is_the_same_module_that_everybody_else_gets() -> None:
    assert python(BEGIN + "stand_in = wave\nimport wave\nprint(stand_in.Error is wave.Error)") == "True"


def test_an_attribute_that_it_does_not_have_is_an_attribute_error() -> None:
    assert python(BEGIN + "print(hasattr(wave, 'no_such_thing'))") == "False"


def test_using_it_within_the_block_loads_it_too() -> None:
    assert (
        python(BEGIN.replace("import wave, xml.dom", "from wave import open as w; print(w.__name__)"))
        == "open"
    )
