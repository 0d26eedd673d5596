"""Numbers in a user's own files are those of the command line, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig

from genlab.cli.main import main
from genlab.config.compose import compose
from genlab.errors import UserError

RECIPE = "# @package _global_\n# A user's own.\n"


def composed(folder: Path, text: str) -> DictConfig:
    """``experiment=own`` of a folder, where it says this."""
    path = folder / "conf" / "experiment" / "own.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECIPE + text)
    return compose("train", ["experiment=own", f"hydra.searchpath=['file://{folder / 'conf'}']"])


@pytest.mark.parametrize(
    ("written", "read", "instead"),
    [
        ("010", 8, "10 or 8, or '010'"),
        ("007", 7, "7, or '007'"),
        ("-0_17", -15, "17 or -15, or '-0_17'"),
        ("0x1F", 31, "31, or '0x1F'"),
        ("0b11", 3, "3, or '0b11'"),
        ("1:30", 90, "90, or '1:30'"),
        ("1:30.5", 90.5, "90.5, or '1:30.5'"),
    ],
)
def test_a_number_of_another_base_is_refused(
    tmp_path: Path, written: str, read: float, instead: str
) -> None:
    with pytest.raises(UserError) as refused:
        composed(tmp_path, f"seed: 1\ntrainer: {{max_steps: {written}}}\n")
    file = tmp_path / "conf" / "experiment" / "own.yaml"
    assert str(refused.value) == (
        f"{file}, line 4: trainer.max_steps={written}: YAML reads {read}, the command line text; "
        f"write {instead} in quotes"
    )


def test_inside_a_list_and_in_a_file_that_another_builds_on(tmp_path: Path) -> None:
    composed(tmp_path, "seed: 3\n")
    base = tmp_path / "conf" / "experiment" / "_base.yaml"
    base.write_text(f"{RECIPE}model:\n  hidden: [64, 0100]\n")
    with pytest.raises(UserError, match=r"_base.yaml, line 4: model.hidden.1=0100: YAML reads 64"):
        composed(tmp_path, "defaults: [_base, _self_]\n")


@pytest.mark.parametrize(
    ("written", "read"), [("10", 10), ("0", 0), ("1_000", 1000), ("'8'", "8"), ("0.05", 0.05)]
)
def test_what_both_read_alike_is_taken(tmp_path: Path, written: str, read: object) -> None:
    assert composed(tmp_path, f"seed: {written}\n").seed == read
    assert compose("train", [f"seed={written}"]).seed == read


@pytest.mark.parametrize("words", [("--cfg", "job"), ("-m", "seed=1,2", "--dry-run"), ()])
def test_whatever_reads_the_file_refuses(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    composed(tmp_path, "seed: 3\n")
    (tmp_path / "conf" / "experiment" / "own.yaml").write_text(f"{RECIPE}outputs: 0b1\n")
    where = ["--config-dir", str(tmp_path / "conf"), "experiment=own"]
    assert main(["train", *where, *words]) == 2
    shown = capsys.readouterr()
    assert "own.yaml, line 3: outputs=0b1: YAML reads 1, the command line text" in shown.err
    assert shown.out == ""
