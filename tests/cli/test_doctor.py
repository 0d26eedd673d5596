"""``genlab doctor``: everything is looked at, and what is missing decides the status."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import genlab
from genlab.cli.commands import doctor
from genlab.cli.main import main
from genlab.runs.code_cache import CodeCache

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_machine_that_can_train(capsys: Capture, tmp_path: Path) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {line.split()[1]: line.split()[0] for line in lines[:-1]}
    needed = ("python", "torch", "lightning", "hydra", "tensorboard", "configs", "outputs")
    assert {found[name] for name in needed} == {"ok"}
    assert {"threads", "gpu", "compiler", "disk"} <= set(found)
    assert lines[-1] == "all is well"
    assert f"genlab        {genlab.__version__} at {Path(genlab.__file__).parent}" in lines[1]
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_missing(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED", ("torch", "tensorbord"))
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "FAIL  tensorbord" in shown
    assert "something is missing" in shown


def test_outputs_that_cannot_be_written(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert main(["doctor"]) == 1
    assert "cannot be written (Permission denied)" in capsys.readouterr().out


def test_a_check_that_breaks_does_not_hide_the_others(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genlab.config.config_dir", lambda: Path("/nowhere"))
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "FAIL  configs" in shown
    assert "outputs" in shown


def test_compiled_steps_are_counted_and_forgotten(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "NEEDED", ())
    cache = CodeCache()
    cache.make()
    (tmp_path / "code.so").write_bytes(bytes(2_000_000))
    cache.keep("one", tmp_path / "code.so", {"seconds": 7.0})
    cache.refuse("other", "UnloweredError: no")
    assert (cache.expected_seconds(), cache.refusal("other")) == (7.0, "UnloweredError: no")
    main(["doctor"])
    assert "1 compiled training steps (2.0 MB) and 1 that cannot be" in capsys.readouterr().out
    assert main(["doctor", "--forget"]) == 0
    assert "removed 1 compiled training steps" in capsys.readouterr().out
    assert list(cache.folder.iterdir()) == []
