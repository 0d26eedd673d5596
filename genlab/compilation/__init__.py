"""Whole training steps as machine code: one call for loss, gradient, clipping, Adam and average.

A step of a small model costs its operations' overhead and not their arithmetic. Here all of it is
one program over flat rows of numbers: `StepRecipe` traces it, `Lowering` makes loops and products
of matrices of it, `source` writes them in C++, and a compiler makes a library of that, in a process
of its own, which `genlab.runs.code_cache.CodeCache` keeps. The process that trains traces nothing,
and draws the numbers that it would draw without.
"""

from genlab.compilation.adam import AdamRule
from genlab.compilation.compiled_step import CompiledStep
from genlab.compilation.key import UnkeyableError, key_of
from genlab.compilation.library import blas
from genlab.compilation.process import CompilerProcess, missing_compiler
from genlab.compilation.recipe import StepRecipe
from genlab.compilation.rows import FlatRows

__all__ = [
    "AdamRule",
    "CompiledStep",
    "CompilerProcess",
    "FlatRows",
    "StepRecipe",
    "UnkeyableError",
    "blas",
    "key_of",
    "missing_compiler",
]
