"""Keeping a process small: libraries without what they bring along and we never use, and a start-up that is paid for once.

A library imports for all of its users; what one service has no use for stays in memory for as long as it runs. These two
change nothing that a program can see: the library meets what it is written for, an optional package that is not
installed, or a module that is there as soon as something of it is asked for.
"""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Hide optional packages from what is imported in the block; later imports find them. Loaded ones stay visible."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        # None: the import system's own sign that there is no such module (language reference, section 5.3.1).
        sys.modules[name] = None  # type: ignore[assignment]  # typeshed does not know of it
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def on_first_use(*names: str) -> Iterator[None]:
    """Give what is imported in the block stand-ins for modules, which load them when something of them is asked for.

    Not importlib's LazyLoader: with Python 3.11 a second `import` of a module loads it.
    """
    stand_ins = {name: _StandIn(name) for name in names if name not in sys.modules}
    for name, stand_in in stand_ins.items():
        package, _, leaf = name.rpartition(".")
        if package:
            setattr(importlib.import_module(package), leaf, stand_in)
        sys.modules[name] = stand_in
    try:
        yield
    finally:
        for stand_in in stand_ins.values():
            stand_in.step_aside()


def settle() -> None:
    """Call when a service has been put together: what is there by now stays, and garbage collection need not look again.

    At a hundred readings a second a third of ingest's processor time went into looking through modules and classes.
    """
    gc.collect()
    gc.freeze()


class _StandIn(ModuleType):
    def step_aside(self) -> None:
        """Let the next import find the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]

    def __getattr__(self, attribute: str) -> Any:
        self.step_aside()
        return getattr(importlib.import_module(self.__name__), attribute)
