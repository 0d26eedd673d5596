"""Tags and notes: added, found by, taken away; never part of what a run is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from synthetic import synthetic_run

from genlab.cli.main import main
from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.labels import add_tags, read_labels, remove_tags

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """One of two runs, seen from above ``outputs``."""
    monkeypatch.chdir(tmp_path)
    synthetic_run(Path("outputs") / "other", model="nice", metrics={"test/kl": 0.2})
    return synthetic_run(Path("outputs") / "run", metrics={"test/kl": 0.1})


def test_tags_are_a_set_of_words(run: RunDirectory) -> None:
    before = run.manifest.read_bytes()
    add_tags(run, ["paper", "figure-2"])
    assert add_tags(run, ["paper"]).tags == ("figure-2", "paper")
    assert read_json(run.labels) == {"tags": ["figure-2", "paper"], "notes": []}
    assert remove_tags(run, ["paper"]).tags == ("figure-2",)
    assert run.manifest.read_bytes() == before
    for word in ("two words", "a,b", "a=b", ""):
        with pytest.raises(UserError, match="expected a word of letters, digits"):
            add_tags(run, [word])
    with pytest.raises(UserError, match="has no such tag; did you mean 'figure-2'"):
        remove_tags(run, ["figure2"])


def test_a_tag_on_the_command_line_and_the_runs_that_have_it(
    run: RunDirectory, capsys: Capture
) -> None:
    assert main(["compare", "--where", "tag=paper"]) == 2
    assert "no run has a tag yet; `genlab tag RUN WORD` gives one" in capsys.readouterr().err
    assert main(["tag", "run", "paper", "best"]) == 0
    assert capsys.readouterr().out == "outputs/run: best paper\n"
    assert main(["list", "runs"]) == 0
    header, _, tagged = capsys.readouterr().out.splitlines()
    assert header.split()[-2:] == ["tags", "run"]
    assert tagged.split()[-3:] == ["best", "paper", "outputs/run"]
    assert main(["list", "runs", "--where", "tag=paper"]) == 0
    assert "other" not in capsys.readouterr().out
    assert main(["compare", "--where", "tag=paper"]) == 0
    shown = capsys.readouterr().out
    assert "nice" not in shown
    assert "tagged best paper: outputs/run" in shown
    assert main(["compare", "--where", "tag=papr"]) == 2
    assert "no run has 'papr'; did you mean 'paper'?" in capsys.readouterr().err
    assert main(["tag", "run", "best", "--remove"]) == 0
    assert main(["tag", "run"]) == 0
    assert capsys.readouterr().out == "outputs/run: paper\n" * 2


def test_notes_are_kept_in_order_and_taken_away_by_number(
    run: RunDirectory, capsys: Capture
) -> None:
    assert main(["note", "run"]) == 0
    assert capsys.readouterr().out == "outputs/run: no notes\n"
    for text in ("the rate was too high", "halved\nit helps"):
        assert main(["note", "run", text]) == 0
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("  1. the rate was too high (")
    assert second.startswith("  2. halved; it helps (")
    assert main(["compare"]) == 0
    assert "note on outputs/run: halved; it helps" in capsys.readouterr().out
    assert main(["note", "run", "--remove", "3"]) == 2
    assert "note 3: outputs/run has 2 notes" in capsys.readouterr().err
    assert main(["note", "run", "--remove", "1"]) == 0
    assert [note.text for note in read_labels(run).notes] == ["halved\nit helps"]
    assert main(["note", "run", " "]) == 2


def test_tags_that_are_given_at_the_same_time_are_all_kept(run: RunDirectory) -> None:
    words = [f"t{number:02}" for number in range(40)]
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda word: add_tags(run, [word]), words))
    assert read_labels(run).tags == tuple(words)


@pytest.mark.parametrize(
    "content",
    [
        {"tags": "paper"},
        {"tags": [1]},
        {"notes": ["a sentence"]},
        {"notes": [{"text": "no time"}]},
        {"notes": [{"text": "a", "written": "yesterday"}]},
    ],
)
def test_labels_that_somebody_else_wrote_are_refused_in_words(
    run: RunDirectory, content: dict[str, object], capsys: Capture
) -> None:
    run.labels.write_text(json.dumps(content))
    assert main(["note", "run"]) == 2
    assert "outputs/run/labels.json: expected" in capsys.readouterr().err
    assert main(["list", "runs"]) == 0
    assert "unreadable: outputs/run/labels.json: expected" in capsys.readouterr().out
