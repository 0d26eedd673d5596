"""The lines at which a Python file defines its names."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["line_of"]

SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
"""What has names of its own."""


def line_of(text: bytes, name: str, item: int | str | None = None) -> int | None:
    """The line where a name of a module is bound last; None where it is not.

    >>> line_of(b"import math\\nsizes = {\\n  'a': 1,\\n  'b': 2}\\n", "sizes", "b")
    4

    Args:
        text: The module.
        name: The name.
        item: The place of an item of its list, or a key of its table: its line, if it is written
            out there.

    Raises:
        SyntaxError: The text is no Python.
    """
    line, value = None, None
    for node in _outside(ast.parse(text)):
        match node:
            case ast.FunctionDef(name=bound) | ast.ClassDef(name=bound) if bound == name:
                line, value = node.lineno, None
            case ast.alias(name=bound, asname=alias) if (alias or bound) == name:
                line, value = node.lineno, None
            case ast.Name(id=bound, ctx=ast.Store()) if bound == name:
                line = node.lineno
            case ast.Assign(targets=[ast.Name(id=bound)]) if bound == name:
                value = node.value
    return line if value is None else _line_in(value, item) or line


def _outside(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module that lie in no function, class or comprehension."""
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _outside(child)


def _line_in(value: ast.expr, item: int | str | None) -> int | None:
    match value, item:
        case ((ast.List(elts=items) | ast.Tuple(elts=items)), int()) if item < len(items):
            return items[item].lineno
        case ast.Dict(keys=keys), str():
            named = (key for key in keys if isinstance(key, ast.Constant))
            return next((key.lineno for key in named if key.value == item), None)
    return None
