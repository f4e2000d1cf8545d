"""Examples in a command's help, each on a line of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

_Function = TypeVar("_Function", bound=Callable[..., object])


def examples(*lines: str) -> Callable[[_Function], _Function]:
    """Add command lines to a command's help, below what its docstring says."""

    def add(function: _Function) -> _Function:
        # The backspace, alone on its line, keeps the paragraph after it from being wrapped.
        block = "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
        function.__doc__ = f"{inspect.getdoc(function)}\n\n{block}"
        return function

    return add
