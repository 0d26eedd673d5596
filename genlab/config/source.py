"""What a name of an installed package takes, read from its source: nothing is imported.

A check that imported what it checks would wait for torch. Here annotations are evaluated where they
are written: names of the standard library and of `genlab.bounds` as they are, classes of all other
modules as classes of which nothing is known but that they are none of a plain value.
"""

from __future__ import annotations

import ast
import builtins
import sys
import typing
from collections.abc import Iterator, Mapping
from functools import cache, cached_property, reduce
from importlib import import_module
from importlib.util import find_spec
from operator import or_
from pathlib import Path
from typing import Any, NamedTuple

from genlab.signature import Parameter, Signature

__all__ = ["Source", "UnreadableError", "find"]

# Whose source is read; a user's own module is imported, as it may do anything.
PACKAGES = ("genlab", "lightning", "torch")
LIGHT = "genlab.bounds"
# Bases that have no constructor of their own.
BARE = ("ABC", "Checked", "Generic", "Protocol", "object")


class UnreadableError(Exception):
    """The source does not tell in words that are understood here."""


class Imported(NamedTuple):
    """What an import statement binds: a name of a module, or the module itself."""

    module: str
    name: str | None

    @property
    def path(self) -> str:
        """The dotted name."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


class Module:
    """A module by its source.

    Attributes:
        name: Its full name.
        bound: What each name at its top is bound to: an import, a definition or an expression.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        package = path.name == "__init__.py"
        self.bound: dict[str, Imported | ast.AST] = {}
        for node in _top(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.ImportFrom():
                    near = name if package else name.rpartition(".")[0]
                    above = near.rsplit(".", node.level - 1)[0] if node.level else ""
                    origin = ".".join(part for part in (above, node.module) if part)
                    for alias in node.names:
                        self.bound[alias.asname or alias.name] = Imported(origin, alias.name)
                case ast.Import():
                    for alias in node.names:
                        first = alias.name.partition(".")[0]
                        whole = alias.name if alias.asname else first
                        self.bound[alias.asname or first] = Imported(whole, None)
                case ast.ClassDef() | ast.FunctionDef():
                    self.bound[node.name] = node
                case ast.Assign(targets=[ast.Name(id=word)], value=value):
                    self.bound[word] = value
                case ast.AnnAssign(target=ast.Name(id=word), value=ast.AST() as value):
                    self.bound[word] = value


class Source:
    """A class or a function by its source.

    Attributes:
        module: Where it is written.
        node: Its definition.
    """

    def __init__(self, module: Module, node: ast.ClassDef | ast.FunctionDef) -> None:
        self.module = module
        self.node = node

    @property
    def name(self) -> str:
        """What it is called there."""
        return self.node.name

    @property
    def is_class(self) -> bool:
        """Whether it is a class."""
        return isinstance(self.node, ast.ClassDef)

    @cached_property
    def signature(self) -> Signature:
        """What it can be called with.

        Raises:
            UnreadableError: Its constructor is none that is written down.
        """
        if isinstance(self.node, ast.FunctionDef):
            return _signature_of(self.module, self.node, skipped=0)
        for kind in self._line():
            assert isinstance(kind.node, ast.ClassDef)
            own = kind._own("__init__")
            if isinstance(own, ast.FunctionDef):
                return _signature_of(kind.module, own, skipped=1)
            if decorator := _dataclass(kind.node):
                fields = [one for one in kind._line() if _dataclass(one._class)]
                return _fields(list(reversed(fields)), decorator)
        return Signature({}, (), open=False)

    def attribute(self, name: str) -> Any:
        """The value of an attribute of the class; None where it has none.

        Raises:
            UnreadableError: It is no constant, nor a function that a light module defines.
        """
        for kind in self._line(genlab_only=True):
            found = kind._own(name)
            if isinstance(found, ast.FunctionDef):
                raise UnreadableError(name)
            if isinstance(found, ast.Call) and ast.unparse(found.func) == "staticmethod":
                return _imported(kind.module, found.args[0])
            if found is not None:
                return _literal(found)
        return None

    @property
    def _class(self) -> ast.ClassDef:
        assert isinstance(self.node, ast.ClassDef)
        return self.node

    def _own(self, name: str) -> ast.AST | None:
        """What the body of the class binds a name to."""
        for node in self._class.body:
            match node:
                case ast.FunctionDef(name=word) if word == name:
                    return node
                case ast.Assign(targets=[ast.Name(id=word)], value=value) if word == name:
                    return value
                case ast.AnnAssign(target=ast.Name(id=word), value=value) if word == name:
                    return value
        return None

    def _line(self, *, genlab_only: bool = False) -> Iterator[Source]:
        """The class and those that it derives from, the nearest first."""
        yield self
        for base in self._class.bases:
            plain = base.value if isinstance(base, ast.Subscript) else base
            if ast.unparse(plain).rpartition(".")[2] in BARE:
                continue
            try:
                found = _resolve(plain, self.module)
            except UnreadableError:
                found = None
            if isinstance(found, Source) and found.is_class:
                if not genlab_only or found.module.name.startswith("genlab."):
                    yield from found._line(genlab_only=genlab_only)
            elif not genlab_only:
                raise UnreadableError(ast.unparse(base))


@cache
def find(path: str) -> Source:
    """The class or function of a dotted name.

    >>> find("genlab.models.RealNVP").signature.parameters["layers"].annotation
    typing.Annotated[int, Bound(low=1.0, high=inf, open_low=False, open_high=False)]

    Raises:
        UnreadableError: No source tells, or it is something else.
    """
    found = _find(path)
    if not isinstance(found, Source):
        raise UnreadableError(path)
    return found


def _find(path: str) -> Any:
    """What a dotted name stands for: a module, a definition, or an expression in a module."""
    first, *rest = path.split(".")
    found: Any = _module(first)
    for name in rest:
        found = _member(found, name)
    return found


def _member(owner: Any, name: str) -> Any:
    """What a name in a module stands for: what is bound there, or a module of the package."""
    if not isinstance(owner, Module):
        raise UnreadableError(name)
    path, bound = f"{owner.name}.{name}", owner.bound.get(name)
    inner = bound is None or (isinstance(bound, Imported) and bound.path == path)
    return _module(path) if inner else _meant(bound, owner)


@cache
def _module(name: str) -> Module:
    first, *rest = name.split(".")
    if first not in PACKAGES:
        raise UnreadableError(name)
    spec = find_spec(first)
    if spec is None or spec.origin is None:
        raise UnreadableError(name)
    place = Path(spec.origin).parent.joinpath(*rest)
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if path.is_file():
            return Module(name, path)
    raise UnreadableError(name)


def _meant(bound: Imported | ast.AST | None, module: Module) -> Any:
    """What a name that is bound in a module stands for."""
    if isinstance(bound, Imported):
        found = _module(bound.module)
        return found if bound.name is None else _member(found, bound.name)
    if isinstance(bound, ast.ClassDef | ast.FunctionDef):
        return Source(module, bound)
    if isinstance(bound, ast.Name | ast.Attribute):
        return _resolve(bound, module)
    return module, bound


def _resolve(expression: ast.AST, module: Module) -> Any:
    """What a name or a dotted name in a module stands for; the object itself of a light module."""
    match expression:
        case ast.Name(id=name):
            bound = module.bound.get(name)
            if bound is None:
                if not hasattr(builtins, name):
                    raise UnreadableError(name)
                return getattr(builtins, name)
            if isinstance(bound, Imported) and _is_light(bound.module):
                found = import_module(bound.module)
                return found if bound.name is None else getattr(found, bound.name)
            return _meant(bound, module)
        case ast.Attribute(value=value, attr=name):
            owner = _resolve(value, module)
            if isinstance(owner, Module | Source | tuple):
                return _member(owner, name)
            return getattr(owner, name)
    raise UnreadableError(ast.unparse(expression))


def _is_light(module: str) -> bool:
    return module == LIGHT or module.partition(".")[0] in sys.stdlib_module_names


def _imported(module: Module, expression: ast.AST) -> Any:
    """The function that a name in a module stands for, imported from the module that defines it."""
    found = _resolve(expression, module)
    if not isinstance(found, Source):
        raise UnreadableError(ast.unparse(expression))
    return getattr(import_module(found.module.name), found.name)


def _evaluate(expression: ast.AST, module: Module) -> Any:
    """The value of an annotation, or of a constant, that is written in a module."""
    match expression:
        case ast.Constant(value=str() as text):
            return _evaluate(ast.parse(text, mode="eval").body, module)
        case ast.Constant(value=value):
            return value
        case ast.Name() | ast.Attribute():
            return _as_type(_named(expression, module))
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return reduce(or_, (_as_type(_evaluate(one, module)) for one in (left, right)))
        case ast.Subscript(value=value, slice=inner):
            return _subscript(_evaluate(value, module), inner, module)
        case ast.Tuple(elts=items):
            return tuple(_evaluate(item, module) for item in items)
        case ast.List(elts=items):
            return [_evaluate(item, module) for item in items]
        case ast.Call(func=function, args=arguments, keywords=keywords):
            made = _named(function, module)
            if isinstance(made, Module | Source | tuple):
                raise UnreadableError(ast.unparse(expression))
            given = {word.arg: _literal(word.value) for word in keywords if word.arg}
            return made(*map(_literal, arguments), **given)
    return _literal(expression)


def _subscript(outer: Any, inner: ast.AST, module: Module) -> Any:
    if outer is typing.Literal:
        items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        return outer[tuple(map(_literal, items))]
    if isinstance(outer, type) and getattr(outer, "opaque", False):  # a shape, a type's parameter
        return outer
    return outer[_evaluate(inner, module)]


def _named(expression: ast.AST, module: Module) -> Any:
    try:
        return _resolve(expression, module)
    except UnreadableError:
        if isinstance(expression, ast.Name) and expression.id not in module.bound:
            raise
        return _opaque(ast.unparse(expression))


def _as_type(found: Any) -> Any:
    """A value that stands in an annotation, for what a name was found to mean."""
    if isinstance(found, Source):
        return _opaque(f"{found.module.name}.{found.name}")
    if isinstance(found, tuple) and found and isinstance(found[0], Module):
        return _evaluate(found[1], found[0])
    return type(None) if found is None else found


@cache
def _opaque(name: str) -> type:
    return type(name, (), {"opaque": True})


def _literal(expression: ast.AST) -> Any:
    """The value of an expression of constants, such as ``2**32 - 1``."""
    known = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context)
    if not all(isinstance(node, (*known, ast.Tuple, ast.List)) for node in ast.walk(expression)):
        if ast.unparse(expression) in ("math.inf", "math.pi"):
            import math

            return getattr(math, ast.unparse(expression).removeprefix("math."))
        if ast.unparse(expression) == "float('inf')":
            return float("inf")
        raise UnreadableError(ast.unparse(expression))
    return eval(compile(ast.Expression(expression), "<annotation>", "eval"), {})  # type: ignore


def _annotation(expression: ast.AST | None, module: Module) -> Any:
    """An annotation; `Any` where it is not known."""
    if expression is None:
        return Any
    try:
        return _evaluate(expression, module)
    except (UnreadableError, TypeError):
        return Any


def _signature_of(module: Module, node: ast.FunctionDef, *, skipped: int) -> Signature:
    """The parameters of a function, but for the first ones."""
    arguments = node.args
    by_place = [*arguments.posonlyargs, *arguments.args]
    with_default = {one.arg for one in by_place[len(by_place) - len(arguments.defaults) :]}
    with_default |= {
        one.arg
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    }
    named = {
        one.arg: Parameter(_annotation(one.annotation, module), one.arg not in with_default)
        for one in (*by_place[skipped:], *arguments.kwonlyargs)
    }
    positional = tuple(one.arg for one in by_place[skipped:])
    told = {} if arguments.kwarg is None else _unpacked(arguments.kwarg.annotation, module)
    return Signature({**named, **told}, positional, open=arguments.kwarg is not None and not told)


def _unpacked(annotation: ast.AST | None, module: Module) -> Mapping[str, Parameter]:
    """The parameters that ``Unpack[SomeTypedDict]`` names; none of another kind."""
    match annotation:
        case ast.Subscript(value=ast.Name(id="Unpack"), slice=inner):
            found = _resolve(inner, module)
            if isinstance(found, Source):
                return _keys(found)
    return {}


def _keys(kind: Source) -> dict[str, Parameter]:
    """The keys of a TypedDict."""
    total = all(ast.unparse(word) != "total=False" for word in kind._class.keywords)
    keys: dict[str, Parameter] = {}
    for base in kind._class.bases:
        found = _resolve(base, kind.module)
        keys |= _keys(found) if isinstance(found, Source) else {}
    for name, annotation, _ in _annotated(kind):
        keys[name] = Parameter(_annotation(annotation, kind.module), total)
    return keys


def _fields(line: list[Source], decorator: ast.AST) -> Signature:
    """The parameters of a dataclass, whose fields stand in a line of classes."""
    named: dict[str, Parameter] = {}
    for kind in line:
        for name, annotation, value in _annotated(kind):
            said = {word.arg: word.value for word in getattr(value, "keywords", ())}
            set_later = "init" in said and not _literal(said["init"])
            if not set_later and not ast.unparse(annotation).startswith("ClassVar"):
                has_default = {"default", "default_factory"} & said.keys() if said else value
                named[name] = Parameter(_annotation(annotation, kind.module), not has_default)
    by_name = "kw_only=True" in ast.unparse(decorator)
    return Signature(named, () if by_name else tuple(named), open=False)


def _annotated(kind: Source) -> Iterator[tuple[str, ast.AST, ast.AST | None]]:
    for node in kind._class.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                yield name, annotation, value


def _dataclass(node: ast.ClassDef) -> ast.AST | None:
    """The decorator of a dataclass."""
    words = (word.func if isinstance(word, ast.Call) else word for word in node.decorator_list)
    named = zip(words, node.decorator_list, strict=True)
    return next((made for word, made in named if ast.unparse(word).endswith("dataclass")), None)


def _top(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements at the top of a module, those below ``if`` and ``try`` included."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        match node:
            case ast.If(body=body, orelse=rest):
                waiting = [*body, *rest, *waiting]
            case ast.Try(body=body, handlers=handlers, orelse=rest):
                waiting = [*body, *(one for h in handlers for one in h.body), *rest, *waiting]
