"""Operations on single numbers, as C++."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

__all__ = ["COSTLY", "C_TYPES", "FORMULAS", "HELPERS", "literal"]

C_TYPES = {
    torch.bool: "bool",
    torch.uint8: "uint8_t",
    torch.int32: "int32_t",
    torch.int64: "int64_t",
    torch.float32: "float",
    torch.float64: "double",
}
"""From the narrowest one on."""

# What takes as long as several sums.
COSTLY = (
    *("cos", "div", "erf", "exp", "expm1", "log", "log1p", "pow", "reciprocal", "remainder"),
    *("rsqrt", "sigmoid", "sin", "sqrt", "tan", "tanh"),
)
HELPERS = """
template <typename T>
static inline T modulo(T a, T b) {
  const T rest = std::fmod(a, b);
  return (rest != 0) & ((rest < 0) != (b < 0)) ? rest + b : rest;
}
"""
"""C++ that formulas call."""


def literal(number: float, dtype: torch.dtype) -> str:
    """A number of Python's as one of C++."""
    if dtype == torch.bool:
        return "true" if number else "false"
    if not dtype.is_floating_point:
        return f"INT64_C({int(number)})"
    suffix = "f" if dtype == torch.float32 else ""
    if math.isnan(number):
        return f"{C_TYPES[dtype]}(NAN)"
    if math.isinf(number):
        return f"{C_TYPES[dtype]}({'-' if number < 0 else ''}INFINITY)"
    return f"{float(number)!r}{suffix}"


def _power(x: str, y: str) -> str:
    exponents = {"2": f"({x} * {x})", "3": f"({x} * {x} * {x})", "0.5": f"std::sqrt({x})"}
    return exponents.get(y.rstrip("f").removesuffix(".0"), f"std::pow({x}, {y})")


def _called(name: str) -> Callable[[str], str]:
    return lambda x: f"std::{name}({x})"


def _between(sign: str) -> Callable[[str, str], str]:
    return lambda a, b: f"({a} {sign} {b})"


# Comparisons with NaN are false: each of these lets it through, as torch does.
FORMULAS: dict[str, Callable[..., str]] = {
    **{name: _called(name) for name in ("cos", "erf", "erfc", "exp", "expm1", "floor", "log")},
    **{name: _called(name) for name in ("log1p", "sin", "sqrt", "tan", "tanh", "abs", "atan")},
    **{name: _called(name) for name in ("acos", "asin", "ceil", "lgamma", "trunc")},
    "atan2": lambda a, b: f"std::atan2({a}, {b})",
    "add": _between("+"),
    "sub": _between("-"),
    "mul": _between("*"),
    "div": _between("/"),
    "eq": _between("=="),
    "ne": _between("!="),
    "lt": _between("<"),
    "le": _between("<="),
    "gt": _between(">"),
    "ge": _between(">="),
    "logical_and": _between("&"),
    "bitwise_and": _between("&"),
    "logical_or": _between("|"),
    "bitwise_or": _between("|"),
    "logical_xor": _between("^"),
    "logical_not": lambda x: f"(!{x})",
    "bitwise_not": lambda x: f"(~{x})",
    "neg": lambda x: f"(-{x})",
    "reciprocal": lambda x: f"(1 / {x})",
    "rsqrt": lambda x: f"(1 / std::sqrt({x}))",
    "sigmoid": lambda x: f"(1 / (1 + std::exp(-{x})))",
    "relu": lambda x: f"({x} < 0 ? 0 : {x})",
    "sign": lambda x: f"(({x} > 0) - ({x} < 0))",
    "isnan": lambda x: f"({x} != {x})",
    "isinf": lambda x: f"(std::abs({x}) == INFINITY)",
    "pow": _power,
    "maximum": lambda a, b: f"(({a} > {b}) | ({a} != {a}) ? {a} : {b})",
    "minimum": lambda a, b: f"(({a} < {b}) | ({a} != {a}) ? {a} : {b})",
    "remainder": lambda a, b: f"modulo({a}, {b})",
    "where": lambda which, a, b: f"({which} ? {a} : {b})",
    "clone": lambda x: x,
}
"""Each by the name of torch's operation; a cast is the clone of another type."""
