"""Every command of the course makes the figure that stands beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from pages import COURSE, PAGES, glance, run

__all__ = ["glance"]

SCRIPTS = Path(__file__).parent.parent / "scripts"

# Those that say what others say too, or take long.
QUICK = "model=realnvp data=moons", "model=gmm data=pinwheel", "sampler=das model=krnet"


def rows() -> Iterator[object]:
    for command, figure in COURSE:
        slow = [] if command.endswith(QUICK) else [pytest.mark.slow]
        yield pytest.param(command, figure, id=command, marks=slow)


def test_the_course_is_whole() -> None:
    assert len(COURSE) == PAGES["docs/course/index.md"].count("`genlab ") >= 15


def test_no_picture_is_by_another_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(SCRIPTS)])
    gallery = import_module("gallery")
    for row in gallery.ROW.finditer(PAGES["docs/course/index.md"]):
        picture = gallery.PAGE.parent / gallery.PICTURES / f"{gallery.name_of(row[2].split())}.png"
        assert picture.exists() == (picture.name in row[0])
        assert gallery.drawn_by(picture) in (None, f"genlab {row[2]}")


@pytest.mark.parametrize(("command", "figure"), [*rows()])
def test_the_figure_of_a_course_section(
    command: str,
    figure: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(command.split()) == 0, capsys.readouterr().err
    assert list(tmp_path.rglob(f"figures/{figure}.png"))
