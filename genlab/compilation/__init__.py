"""Whole training steps as machine code: one call for loss, gradient, clipping, Adam and average.

A step of a small model costs its operations' overhead and not their arithmetic. Here all of it is
one program over flat rows of numbers, compiled by a process of its own and kept by
`genlab.runs.code_cache.CodeCache`. The process that trains traces nothing, and draws the numbers
that it would draw without. It is a small compiler; in the order of its work:

What a step is
    - `recipe`: all that decides it, and the step itself
    - `adam`: the update of the weights as a formula
    - `trace`: the step as a graph of torch's operations, written down while it is taken once
    - `decompositions`: operations by simpler ones, on the way into the graph
    - `fusible`: those of gathers and narrow products, which a loop can take in
    - `draws`: the step's random numbers, made inputs of the graph

The graph as loops
    - `places`: where a number stands, by the counters of loops; a view maps places to places
    - `formulas`: operations on single numbers, as C++
    - `loops`: loops in each other, and the statements of their body
    - `values`: a tensor as what loops read, or compute number by number
    - `work`: what is no loop: products of matrices by BLAS, and calls of torch
    - `plan`: the loops and calls so far, and the value of each node
    - `operations`: how a plan takes in sums, products, joins and the like
    - `lowering`: the plan of a whole graph, and what is kept in memory between its loops

Loops as code
    - `source`: the C++, and where in memory each tensor lies
    - `compiler`: the program that hands it to the C++ compiler
    - `process`: that program, beside the training
    - `key`: the name by which another run finds the same code

Code at work
    - `library`: the code, loaded and called
    - `rows`: weights, Adam's moments and the average as flat rows
    - `compiled_step`: a step of training
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
