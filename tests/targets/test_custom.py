"""The user's own target, one Python file: what works, and what a mistake says."""

from __future__ import annotations

import copy
import math
import pickle
import re
import textwrap
from pathlib import Path

import pytest
import torch

from genlab.errors import UserError
from genlab.targets import Custom

GOOD = """
import math
import torch

def sample(n, generator):
    return 2 * torch.randn(n, 2, generator=generator)

def log_prob(x):
    return -(x / 2).square().sum(1) / 2 - math.log(8 * math.pi)

entropy = math.log(8 * math.pi) + 1
bound = 8
"""
SAMPLE = "import torch\ndef sample(n, generator): return torch.rand(n, 2, generator=generator)\n"


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "my target.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return str(path)

    return write


def test_sample_log_prob_entropy_and_bound(write) -> None:
    target = Custom(write(GOOD), 2)
    x = target.sample(50_000, generator=torch.Generator().manual_seed(0))
    assert (x.shape, x.dtype, target.event_shape) == ((50_000, 2), torch.float32, (2,))
    assert target.has_density
    assert target.bound == 8
    surprise = -target.log_prob(x)
    assert abs(surprise.mean() - target.entropy) < 4 * surprise.std() / math.sqrt(len(x))
    assert target.log_prob(x.double()).dtype == torch.float64
    assert torch.equal(x, target.sample(50_000, generator=torch.Generator().manual_seed(0)))


def test_sample_alone_is_enough(write) -> None:
    target = Custom(write(SAMPLE), 2)
    assert not target.has_density
    assert target.entropy is None
    assert target.bound == 4
    with pytest.raises(NotImplementedError, match="known by its samples only"):
        target.log_prob(torch.zeros(3, 2))


BARE = "def log_prob(x): return -x.square().sum(1) / 2\n"
CONSTANTS = {
    "normalised": ("", 0.0),
    "unknown": ("normalised = False\n", None),
    "unknown, said otherwise": ("log_z = None\n", None),
    "known": ("log_z = 1.8378770664093453\n", math.log(2 * math.pi)),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_density_alone_is_enough_normalised_or_not(write, name: str) -> None:
    text, log_z = CONSTANTS[name]
    target = Custom(write(BARE + text), 2)
    x = torch.randn(9, 2, dtype=torch.float64)
    torch.testing.assert_close(target.energy(x), x.square().sum(1) / 2)
    assert target.log_z == log_z
    assert target.has_energy
    assert not target.has_samples
    assert target.has_density == (log_z is not None)
    with pytest.raises(NotImplementedError, match="known by its density only"):
        target.sample(3)
    if log_z is None:
        with pytest.raises(NotImplementedError, match="known up to a constant only"):
            target.log_prob(x)
    else:
        torch.testing.assert_close(target.log_prob(x), -x.square().sum(1) / 2 - log_z)
    assert copy.deepcopy(target).log_z == log_z


def test_any_dimension_and_any_floating_type(write) -> None:
    text = "import torch\ndef sample(n, *, generator=None):\n"
    text += "    return torch.rand(n, 7, generator=generator, dtype=torch.float64)\n"
    target = Custom(write(text), 7)
    assert target.event_shape == (7,)
    assert target.sample(3).dtype == torch.float32


def test_samples_of_a_network_are_data(write) -> None:
    text = """
        import torch

        network = torch.nn.Linear(2, 2)

        def sample(n, generator):
            return network(torch.randn(n, 2, generator=generator))
    """
    assert not Custom(write(text), 2).sample(3).requires_grad


def test_copies_and_pickles_need_no_import(write) -> None:
    target = Custom(write(GOOD), 2)
    expected = target.sample(10, generator=torch.Generator().manual_seed(1))
    for other in (copy.deepcopy(target), pickle.loads(pickle.dumps(target))):
        drawn = other.sample(10, generator=torch.Generator().manual_seed(1))
        assert torch.equal(drawn, expected)


def test_a_path_relative_to_the_current_folder_outlives_it(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(GOOD)
    monkeypatch.chdir(tmp_path)
    target = Custom("my target.py", 2)
    monkeypatch.chdir("/")
    assert copy.deepcopy(target).event_shape == (2,)


def test_a_file_may_define_dataclasses(write) -> None:
    text = """
        from __future__ import annotations
        from dataclasses import dataclass
        import torch

        @dataclass
        class Settings:
            scale: float = 3.0

        def sample(n, generator):
            return Settings().scale * torch.rand(n, 1, generator=generator)
    """
    assert Custom(write(text), 1).sample(100).max() > 1


MISTAKES = {
    "neither sample nor log_prob": (
        "import torch\nx = 1\n",
        r", line 2: the file ends and defines no function sample\(n, generator\) or log_prob\(x\)$",
    ),
    "sample misspelt": (
        SAMPLE.replace("sample", "sampel"),
        r": defines no function sample\(n, generator\) or .*; did you mean 'sampel'\?",
    ),
    "log_prob misspelt": (
        SAMPLE + "def logprob(x): return x.sum(1)\n",
        ": defines logprob, which nothing reads; did you mean 'log_prob'",
    ),
    "sample not a function": ("sample = 3\n", ": sample is 3, expected a function"),
    "log_prob not a function": (
        SAMPLE + "log_prob = 'x'\n",
        ": log_prob is 'x', expected a function",
    ),
    "exception at import": (
        "import torch\n\nsize = undefined + 1\n",
        ", line 3: NameError: name 'undefined' is not defined",
    ),
    "missing package": (
        "\nimport no_such_package\n",
        ", line 2: ModuleNotFoundError: No module named 'no_such_package'",
    ),
    "syntax error": ("def sample(n, generator)\n    pass\n", ", line 1: SyntaxError: expected ':'"),
    "exception in sample": (
        "def sample(n, generator):\n    return 1 / 0\n",
        r", line 2: sample\(3, generator\) raised ZeroDivisionError: division by zero",
    ),
    "exception in log_prob": (
        SAMPLE + "def log_prob(x):\n    raise RuntimeError('no')\n",
        r", line 4: log_prob\(x\) raised RuntimeError: no",
    ),
    "no generator": (
        "def sample(n):\n    return 0\n",
        r"sample\(3, generator\) raised TypeError: sample\(\) got an unexpected .* 'generator'",
    ),
    "wrong dimension": (
        SAMPLE.replace("n, 2", "n, 3"),
        r"sample\(3, generator\) returned shape \[3, 3\], expected \[3, 2\] \(dim=2\)",
    ),
    "no tensor": (
        "def sample(n, generator): return [[0.0, 0.0]] * n\n",
        r"sample\(3, generator\) returned list, expected a torch tensor",
    ),
    "not finite": (
        "import torch\ndef sample(n, generator): return torch.full((n, 2), float('nan'))\n",
        r"sample\(3, generator\) returned \[\[nan, nan\]",
    ),
    "generator ignored": (
        "import torch\ndef sample(n, generator): return torch.rand(n, 2)\n",
        "sample gives other numbers for the same generator",
    ),
    "one log-density for all": (
        SAMPLE + "def log_prob(x): return x.sum()\n",
        r"log_prob\(x\) of x \[3, 2\] returned shape \[\], expected \[3\]",
    ),
    "log-density not finite": (
        SAMPLE + "def log_prob(x): return (x - x).sum(1).log()\n",
        r"log_prob of samples .* is \[-inf, -inf, -inf\], expected finite numbers",
    ),
    "log-density of another shape without samples": (
        "def log_prob(x): return x\n",
        r"log_prob\(x\) of x \[3, 2\] returned shape \[3, 2\], expected \[3\]",
    ),
    "normalised not a truth value": (
        SAMPLE + "normalised = 'no'\n",
        ": normalised is 'no', expected True or False",
    ),
    "log_z not a number": (SAMPLE + "log_z = 'big'\n", ": log_z is 'big', expected a number"),
    "entropy not a number": (
        SAMPLE + "entropy = 'high'\n",
        ": entropy is 'high', expected a number",
    ),
    "bound not positive": (SAMPLE + "bound = -1\n", ": bound is -1, expected a positive number"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(write, name: str) -> None:
    text, message = MISTAKES[name]
    file = write(text)
    with pytest.raises(UserError) as caught:
        Custom(file, 2)
    said = str(caught.value)
    assert said.startswith(f"file={file}")
    assert re.search(message, said), said
    assert "line " in said
    assert said.count("\n") <= 1


def test_a_missing_file_names_the_nearest(write, tmp_path: Path) -> None:
    write(GOOD)
    with pytest.raises(UserError, match=r"no such file; did you mean 'my target.py'\?"):
        Custom(str(tmp_path / "my_target.py"), 2)
    with pytest.raises(UserError, match=r"^file=/nowhere/at/all.py: no such file$"):
        Custom("/nowhere/at/all.py", 2)
    with pytest.raises(UserError, match="no such file"):
        Custom(str(tmp_path), 2)


def test_a_later_failure_names_its_line(write) -> None:
    text = """
        import torch
        def sample(n, generator):
            if n > 10:
                raise ValueError("too many")
            return torch.rand(n, 2, generator=generator)
    """
    target = Custom(write(text), 2)
    with pytest.raises(UserError, match=r"line 5: sample\(11, generator\) raised ValueError"):
        target.sample(11)
