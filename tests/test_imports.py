"""Imports that leave out what nobody uses, and give it to whoever does."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from types import ModuleType

import pytest

from genlab.imports import import_part, uncollected


def printed(code: str) -> str:
    """What a fresh Python prints."""
    # POT would import torch, which none of this is about.
    environment = {**os.environ, "POT_BACKEND_DISABLE_PYTORCH": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose ``__init__`` imports a part that costs, ``parcel.dear``."""
    folder = tmp_path / "parcel"
    folder.mkdir()
    (folder / "__init__.py").write_text("from . import cheap, dear\nfrom .cheap import value\n")
    (folder / "cheap.py").write_text("from .beside import value\n")
    (folder / "beside.py").write_text("value = object()\n")
    (folder / "dear.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "parcel"]:
        del sys.modules[name]


def test_a_part_comes_without_the_rest(package) -> None:
    part = import_part("parcel.cheap")
    assert "parcel.dear" not in sys.modules
    assert "parcel" not in sys.modules
    import parcel

    assert parcel.dear.__name__ == "parcel.dear"
    assert parcel.cheap is part
    assert parcel.value is part.value
    assert import_part("parcel.cheap") is part


@pytest.mark.parametrize("name", ["no_such_package.part", "json.no_such_part"])
def test_what_is_missing_is_told_as_python_does(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such"):
        import_part(name)


def test_pot_is_whole_behind_its_solver() -> None:
    code = """
import sys
import numpy as np
from genlab.imports import import_part
solver = import_part("ot.lp")
print(solver.emd2([0.5, 0.5], [0.5, 0.5], np.array([[3.0, 1], [1, 3]])))
print(*sorted({"sklearn", "networkx"} & set(sys.modules)))
import ot
print(ot.lp is solver, ot.emd2 is solver.emd2)
"""
    assert printed(code).splitlines() == ["1.0", "", "True True"]


def test_what_is_imported_is_not_looked_at_again(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    before, made = gc.get_freeze_count(), [[] for _ in range(1000)]
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before + len(made)


@pytest.mark.parametrize("there", [True, False])
def test_garbage_is_looked_for_as_ever_where_nothing_is_saved(there: bool, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    if not there:
        monkeypatch.delitem(sys.modules, "torch")
        monkeypatch.setattr(gc, "isenabled", lambda: False)
    before = gc.get_freeze_count()
    with uncollected():
        pass
    assert gc.get_freeze_count() == before


def test_signal_is_there_for_whoever_uses_it() -> None:
    code = """
import sys
from genlab.imports import without_signal
with without_signal():
    import scipy.signal
    print(hasattr(scipy.signal, "hamming"), "scipy.signal.windows" in sys.modules)
    signal = scipy.signal
import scipy.signal
from scipy.signal import windows
print(scipy.signal is signal, windows.hann(3)[1], signal.windows is windows)
"""
    assert printed(code).splitlines() == ["True False", "False 1.0 True"]


def test_who_looks_through_all_modules_imports_none() -> None:
    code = """
import inspect, sys
from genlab.imports import without_signal
with without_signal():
    import scipy.signal
    inspect.getmodule(compile("1", "<nowhere>", "exec"))
    print("scipy.signal.windows" in sys.modules)
"""
    assert printed(code) == "False"


def test_signal_is_there_for_whoever_uses_it_meanwhile() -> None:
    code = """
from genlab.imports import without_signal
with without_signal():
    from scipy.signal import windows
    from scipy.signal.windows import hann
import scipy.signal
print(windows is scipy.signal.windows, hann(3)[1])
"""
    assert printed(code) == "True 1.0"
