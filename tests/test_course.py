"""Every command of the README's course makes the figure that stands beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from readme import TEXT, coarse, run

SECTION = TEXT.split("## The course, as commands\n")[1].split("\n## ")[0]
ROWS = re.findall(r"^\|[^|]*\| `genlab ([^`]+)` \| `(\w+)`[^|]*\|$", SECTION, re.MULTILINE)


def test_the_course_is_whole() -> None:
    assert len(ROWS) == SECTION.count("`genlab ") >= 15


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("command", "figure"), ROWS, ids=[command for command, _ in ROWS])
def test_the_figure_of_a_course_section(
    command: str,
    figure: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    coarse(monkeypatch)
    assert run(command.split()) == 0, capsys.readouterr().err
    assert list(tmp_path.rglob(f"figures/{figure}.png"))
