"""Wrong files of the user's own PDE: each answer names the line, and what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from genlab.errors import UserError
from genlab.pde import CustomProblem

# The lines are counted below: a file begins with `import math` in line 1.
FILE = """\
import math
import torch
from genlab.pde import Box, Disk, Faces, IndicatorDomain, Measured, Neumann, Periodic
box = [[0, 1], [0, 2]]
def residual(x, u):
    source = 1.0
    return u.laplacian + source
"""
SYSTEM = """\
import torch
box = [[0, 1], [0, 2]]
components = ["u", "v"]
def residual(x, u):
    u, v = u
    return torch.stack((u.laplacian - v.value, v.laplacian), 1)
"""
WAVE = """\
import torch
box = [[0, 1], [0, 2]]
time = True
def initial(x):
    return x[:, 0]
def initial_rate(x):
    return x[:, 0]
def residual(x, u):
    return u.hessian[:, 1, 1] - u.laplacian
"""
DISK = """\
import torch
box = [[-1, 1], [-1, 1]]
def inside(x):
    return x.square().sum(1) < 1
def cutoff(x):
    return 1 - x.square().sum(1)
def boundary_points(n, generator):
    angle = 6.2831853 * torch.rand(n, generator=generator)
    return torch.stack((angle.cos(), angle.sin()), 1)
def residual(x, u):
    return u.laplacian + 4
"""
RIGHT = {"file": FILE, "system": SYSTEM, "wave": WAVE, "disk": DISK}
SUM = "return u.laplacian + source"
BOX = "box = [[0, 1], [0, 2]]"
DATA = "data = Measured(torch.ones({}, {}), torch.ones({}), sigma={}, weight=1)"
HALF = "domain = IndicatorDomain([(0, 1), (0, 1)], lambda x: x[:, 0] > 0.5)"
TOP = 'top = Faces(Box(box), [(1, "high")])\n'

# What is wrong: the file, the words to replace (or to add at its end), the line, what is said, and
# what helps.
WRONG = {
    "no box": ("file", BOX, "", 7, "defines no box", "such as box = [[0, 1]"),
    "box reversed": ("file", "[0, 2]]", "[2, 0]]", 4, "box is [[0, 1], [2, 0]]", "low < high"),
    "box of numbers": ("file", "[[0, 1], [0, 2]]", "[0, 1]", 4, "box is [0, 1]", "[low, high]"),
    "no residual": (
        "file",
        "residual",
        "equation",
        7,
        "defines no function resid",
        "write residual",
    ),
    "residual misspelt": ("file", "residual", "residuals", 5, "defines no", "mean 'residuals'?"),
    "residual no function": ("file", "", "residual = 3", 8, "residual is 3", "def residual("),
    "wrong shape": (
        "file",
        SUM,
        "return u.gradient",
        5,
        "shape [5, 2], expected [5]",
        "laplacian [5]",
    ),
    "nothing returned": ("file", "return u", "u", 5, "returned nothing", "end it by return"),
    "no tensor": ("file", SUM, "return 3.0", 5, "returned float", "torch operations"),
    "numpy": (
        *("file", SUM, "import numpy; return numpy.sin(u.value)"),
        *(7, "raised RuntimeError: Can't call numpy()", "write torch.sin for numpy.sin"),
    ),
    "math of tensors": (
        "file",
        SUM,
        "return math.sin(u.value)",
        7,
        "only one element",
        "value [5]",
    ),
    "detached": ("file", SUM, "return u.value.detach()", 5, "same for every u", "torch operations"),
    "boundary misspelt": (
        *("file", "", "def boundry(x):\n    return x[:, 0]"),
        *(8, "defines boundry, which nothing reads", "did you mean 'boundary'?"),
    ),
    "setting misspelt": ("file", "", "perodic = [0]", 8, "defines perodic", "mean 'periodic'?"),
    "u.laplace": (
        "file",
        SUM,
        "return u.laplace",
        7,
        "no attribute 'laplace'",
        "mean 'laplacian'?",
    ),
    "hessian too far": (
        "file",
        SUM,
        "return u.hessian[:, 2, 2]",
        7,
        "IndexError",
        "hessian [5, 2, 2]",
    ),
    "hessian of all": ("file", SUM, "return u.hessian", 5, "shape [5, 2, 2], exp", "laplacian [5]"),
    "division by zero": ("file", "= 1.0", "= 1 / 0", 6, "ZeroDivisionError", "u has value [5]"),
    "column too far": ("file", "= 1.0", "= x[:, 2]", 6, "IndexError", "gradient [5, 2]"),
    "not a number": ("file", "= 1.0", "= math.nan", 5, "is nan at x = [", "division by zero"),
    "two arguments more": (
        "file",
        "(x, u)",
        "(x)",
        5,
        "raised TypeError",
        "expected residual(x, u)",
    ),
    "syntax": ("file", "= 1.0", "= (1.0", 6, "SyntaxError", "mend that line"),
    "while it runs": ("file", "box =", "size = undefined; box =", 4, "NameError", "'undefined'"),
    "coefficient negative": (
        *("file", "", 'coefficients = {\n    "a": 1.0,\n    "b": -1.0,\n}'),
        *(10, "coefficient b starts from -1.0", "Coefficient(start, positive=False)"),
    ),
    "coefficient unknown": (
        *("file", "(x, u)", "(x, u, mu)", 5, "raised TypeError", "expected residual(x, u):"),
    ),
    "coefficient untaken": (
        *("file", "", 'coefficients = {"nu": 1.0}'),
        *(5, "raised TypeError", "expected residual(x, u, nu):"),
    ),
    "one jet of two": ("file", SUM, "v, w = u", 7, "too many values", "u has value [5]"),
    "two as one jet": ("system", "u, v = u", "u.value", 5, "no attribute 'value'", "tuple (u, v)"),
    "too few equations": (
        *("system", "return torch.stack((u.laplacian - v.value, v.laplacian), 1)"),
        *("return u.laplacian - v.value", 4, "has equations: 1, expected 2", "torch.stack"),
    ),
    "components twice": ("system", '"u", "v"', '"u", "u"', 3, "components is", "different names"),
    "prescribed unknown": ("system", "", 'prescribed = ["w"]', 7, "tells of 'w'", "components"),
    "boundary of one": (
        *("system", "", "def boundary(x):\n    return x[:, 0]"),
        *(7, "returned shape [5], expected [5, 2]", "a column for each component"),
    ),
    "exact of one": (
        *("system", "", "def exact(x):\n    return x[:, 0]"),
        *(7, "returned shape [5], expected [5, 2]", "a column for each component"),
    ),
    "condition of unknown": (
        *(
            "file",
            "",
            TOP + 'conditions = [\n    Neumann(top, lambda x: x[:, 0], components=["w"]),\n]',
        ),
        *(10, "tells of 'w'", "choose from: u"),
    ),
    "condition of columns": (
        *("file", "", TOP + "conditions = [\n    Neumann(top, lambda x: x),\n]"),
        *(10, "values of shape [5, 2], expected [5]", "a row for each point"),
    ),
    "no such face": (
        *("file", "", 'far = Faces(Box(box), [(2, "high")])'),
        *(8, "faces has (2, 'high')", "expected some of (0, 'low')"),
    ),
    "no such ring": (
        "file",
        "",
        "ring = Periodic(Box(box), 2)",
        8,
        "coordinate=2",
        "one of 0 to 1",
    ),
    "periodic too far": ("file", "", "periodic = [2]", 8, "periodic is [2]", "0 to 1"),
    "faces of a ring": (
        *("file", "", 'periodic = [0]\nfaces = [(0, "low")]', 9, "faces has (0, 'low')"),
        "expected some of (1, 'low')",
    ),
    "data longer than places": (
        *("file", "", DATA.format(1, 2, 2, 1)),
        *(8, "x [1, 2] and y [2]", "expected [n, d] and [n]"),
    ),
    "data of another space": (
        *("file", "", f"{DATA.format(1, 3, 1, 1)}\nconditions = [data]"),
        *(9, "points of shape [1, 3]", "expected [n, 2]"),
    ),
    "sigma negative": (
        *("file", "", DATA.format(1, 2, 1, -1)),
        *(8, "sigma=-1", "greater than 0"),
    ),
    "time a number": ("wave", "time = True", "time = 1", 3, "time is 1", "True or False"),
    "initial without time": ("wave", "time = True", "", 4, "but no time", "add time = True"),
    "rate without u_tt": (
        *("wave", "u.hessian[:, 1, 1]", "u.gradient[:, 1]", 6, "has no u_tt"),
        "u.hessian[:, -1, -1]",
    ),
    "u_tt without rate": (
        *(
            "wave",
            "initial_rate",
            "helper",
            8,
            "nothing says how fast u begins",
            "add initial_rate",
        ),
    ),
    "nothing inside": ("disk", "(1) < 1", "(1) < -1", 3, "inside(x) holds on 0 of", "tighter box"),
    "inside of columns": ("disk", ".sum(1) < 1", " < 1", 3, "expected [1048576]", "in each row"),
    "cutoff elsewhere": (
        "disk",
        "return 1 -",
        "return 2 -",
        5,
        "cutoff(x) is 1 at",
        "is zero on the",
    ),
    "cutoff zero nowhere": (
        *(
            "disk",
            "return 1 - x.square().sum(1)\ndef boundary_points",
            "return 2 - x[:, 0]\ndef _no",
        ),
        *(5, "zero nowhere on the boundary", "is zero on the boundary"),
    ),
    "cutoff with a sign": (
        "disk",
        "return 1 -",
        "return 0.5 -",
        5,
        "changes its sign",
        "positive ins",
    ),
    "faces of a disk": (
        "disk",
        "",
        'faces = [(0, "low")]',
        12,
        "only a box has",
        "leave faces out",
    ),
    "rate of a disk": (
        *("disk", "", "def initial_rate(x):\n    return x[:, 0]", 12, "defines initial_rate(x)"),
        "add time = True",
    ),
    "no domain": ("disk", "", "domain = 3", 12, "domain is 3", "Disk("),
    "two domains": ("file", "", "domain = Disk()", 4, "box beside domain", "leave one of them out"),
    "unknown boundary": (
        *("file", BOX, HALF),
        *(4, "boundary of IndicatorDomain is not known", "combine boxes, balls"),
    ),
    "domain in time": (
        *("file", BOX, "domain = Disk(); time = True"),
        *(4, "domain is a Disk, and time = True", "Cylinder(space, (start, end))"),
    ),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_taken(tmp_path: Path, text: str) -> None:
    assert problem(tmp_path, text).dim == 2


@pytest.mark.parametrize("case", WRONG)
def test_the_answer_names_the_line_and_what_helps(tmp_path: Path, case: str) -> None:
    name, right, wrong, line, mistake, cure = WRONG[case]
    text = RIGHT[name]
    assert right in text
    text = text.replace(right, wrong) if right else f"{text}{wrong}\n"
    with pytest.raises(UserError) as raised:
        problem(tmp_path, text)
    said = str(raised.value)
    assert said.startswith(f"file={tmp_path}/mine.py, line {line}: "), said
    assert mistake in said
    assert cure in said
    assert len(said.splitlines()) <= 2
    assert said.count("mine.py") == 1


def problem(folder: Path, text: str) -> CustomProblem:
    (folder / "mine.py").write_text(text)
    return CustomProblem(file=str(folder / "mine.py"), dim=2, n_points=10)
