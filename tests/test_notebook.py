"""What a notebook shows by itself: the header, the bar, figures, and runs in words."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure
from small import RUN

from genlab.evaluation.figures import Figures
from genlab.learning.callbacks.progress import NotebookBar
from genlab.notebook import in_notebook

PNG = re.compile(r'<img alt="(\w+)"[^>]*src="data:image/png;base64,([^"]+)"')


class Shell:
    """The shell of a kernel, as far as it is asked."""

    kernel = object()

    def __init__(self) -> None:
        self.shown: list[tuple[str, str, bool]] = []
        self.display_pub = self

    def publish(self, *, data: dict[str, str], transient: dict[str, str], update: bool) -> None:
        self.shown.append((transient.get("display_id", ""), data["text/plain"], update))


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return shell


@pytest.mark.parametrize("shell", [None, object()])
def test_a_script_and_a_terminal_are_no_notebook(
    shell: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not in_notebook()


def test_a_bar_takes_its_own_place(shell: Shell) -> None:
    at: list[int] = [0]
    bar = NotebookBar(100, lambda: (at[0], "train/loss 2.5"))
    bar.start()
    for at[0] in range(50):
        bar.step()
    bar.stop()
    names, texts, again = zip(*shell.shown, strict=True)
    assert len({*names}) == 1
    assert (texts[0], texts[-1]) == ("0/100  train/loss 2.5", "49/100  train/loss 2.5")
    assert again[0] is False
    assert all(again[1:])
    assert len(texts) < 10, "not at each step"


def test_figures_are_pictures() -> None:
    page = Figures(density=Figure((2, 1)), samples=Figure((1, 1)))._repr_html_()
    found = {name: base64.b64decode(text) for name, text in PNG.findall(page)}
    assert found.keys() == {"density", "samples"}
    assert all(picture.startswith(b"\x89PNG") for picture in found.values())


CELLS = (
    f"import genlab\nrun = genlab.experiment(*{RUN}, 'model=realnvp', 'model.layers=2')",
    "metrics = run.fit()",
    "run.figures",
    "genlab.load('latest')",
    "repr(genlab.load('latest'))",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_is_run_and_read(tmp_path: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=None, resources=place).execute()
    _, fitted, figures, loaded, told = (outputs(cell) for cell in notebook.cells)
    texts = [output["data"]["text/plain"] for output in fitted if "data" in output]
    header, bar = texts
    assert header.startswith("model")
    assert "outputs/" in header
    assert bar.startswith("60/60  train/loss ")
    assert not any(output.get("name") == "stderr" for output in fitted), fitted
    assert "density" in dict(PNG.findall(figures[0]["data"]["text/html"]))
    page = loaded[0]["data"]["text/html"]
    assert "realnvp on moons" in page
    assert "test/kl" in page
    assert "done in outputs/" in told[0]["data"]["text/plain"]


def outputs(cell: Any) -> list[Any]:
    """What stands below a cell."""
    return list(cell.outputs)
