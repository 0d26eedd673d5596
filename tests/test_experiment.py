"""One whole run: its directory, its metrics, its TensorBoard, and loading it again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from small import TABLE, small_experiment, write_table
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

import genlab
from genlab.assembly import Training
from genlab.errors import UserError
from genlab.runs.status import write_status


@pytest.fixture(scope="module")
def quick() -> None:
    """Measured and drawn as users have it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Training:
    torch.manual_seed(0)
    experiment = small_experiment(tmp_path_factory.mktemp("outputs"), "callbacks.images.every=1")
    experiment.fit()
    return experiment


def test_the_directory_holds_what_the_contract_says(run: Training) -> None:
    assert run.directory is not None
    path = run.directory.path
    manifest = json.loads((path / "run.json").read_text())
    assert manifest["model"] == "realnvp"
    assert manifest["data"] == "moons"
    assert manifest["likelihood"] == "exact"
    assert manifest["config"]["model.layers"] == 2
    assert manifest["packages"]["torch"] == torch.__version__
    assert json.loads((path / "status.json").read_text())["state"] == "done"
    assert {f.name for f in (path / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    figures = {f.stem: matplotlib.image.imread(f) for f in (path / "figures").glob("*.png")}
    assert set(figures) == {"density", "samples", "latent", "deformation"}
    assert all(image.std() > 0.01 for image in figures.values())


def test_the_log_tells_the_run_from_start_to_end(run: Training) -> None:
    assert run.directory is not None
    lines = run.directory.log.read_text().splitlines()
    assert "started: realnvp on moons" in lines[0]
    assert any("step 60: val/loss " in line for line in lines)
    assert "done at step 60" in lines[-1]


def test_metrics_are_flat_finite_and_carry_their_errors(run: Training) -> None:
    assert run.directory is not None
    metrics = json.loads(run.directory.metrics.read_text())
    assert metrics["train/steps"] == 60
    assert metrics["target/entropy"] == pytest.approx(2.3939, abs=1e-3)
    for key in ("test/nll", "test/kl", "test/mmd"):
        assert metrics[f"{key}/se"] > 0
    # The paired difference and the unpaired one measure the same excess.
    excess = metrics["test/nll"] - metrics["target/entropy"]
    assert abs(excess - metrics["test/kl"]) < 5 * metrics["test/nll/se"]
    assert {"test/w2", "test/inverse_error", "model/parameters", "time/fit_seconds"} < set(metrics)
    assert metrics["val/loss"] < 3.5


def test_tensorboard_has_scalars_images_and_one_row_of_hyperparameters(run: Training) -> None:
    assert run.directory is not None
    events = EventAccumulator(str(run.directory.tensorboard), size_guidance={"images": 0}).Reload()
    tags = events.Tags()
    assert {"train/loss", "val/loss", "val/nll", "test/nll", "test/kl"} < set(tags["scalars"])
    steps = [point.step for point in events.Scalars("train/loss")]
    # Every seventh step, and the last one before each validation.
    assert steps == [7, 14, 20, 21, 28, 35, 40, 42, 49, 56, 60]
    assert {"density", "samples", "latent", "deformation", "density/progress"} == set(
        tags["images"]
    )
    assert len(events.Images("density/progress")) == 3
    start = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    row = HParamsPluginData.FromString(start).session_start_info.hparams
    assert row["model.layers"].number_value == 2
    assert not any(key.startswith("callbacks.") or "_target_" in key for key in row)


def test_figures_show_the_columns_that_are_asked_for(tmp_path: Path, run: Training) -> None:
    path = tmp_path / "wide.csv"
    np.savetxt(path, np.random.default_rng(0).normal(size=(200, 15)), delimiter=",")
    wide = genlab.experiment("model=nice", "data=table", f"data.path={path}")
    bottom = wide.draw(["x7", 0])["samples"].axes[-2:]
    assert [axis.get_xlabel() for axis in bottom] == ["x7", "x1"]
    for columns, message in (
        (["x17"], "columns: no column 'x17'; did you mean"),
        ([15], "columns: no column 15; expected a name, or 0 to 14"),
        (range(13), "columns: 13 are too many for a figure of all pairs; choose at most 12"),
    ):
        with pytest.raises(UserError, match=message):
            wide.draw(columns)
    with pytest.raises(UserError, match="columns: chooses among those of more than two"):
        run.draw(["x1"])


def test_load_gives_the_best_weights_in_evaluation_mode(run: Training) -> None:
    assert run.directory is not None
    loaded = genlab.load(run.directory.path)
    x = torch.randn(50, 2)
    torch.testing.assert_close(loaded.model.log_prob(x), run.model.log_prob(x), atol=0, rtol=0)
    assert not loaded.model.training
    before = json.loads(run.directory.metrics.read_text())
    again = loaded.test()
    assert again["test/kl"] == pytest.approx(before["test/kl"], abs=1e-6)
    assert again["time/fit_seconds"] == before["time/fit_seconds"]


def test_settings_are_words(tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    nested = {"layers": 2, "hidden": (16, 8)}
    run = genlab.experiment(
        "model=realnvp", model=nested, data="moons", outputs=folder, trainer={"max_seconds": None}
    )
    config, same = run.config, small_experiment(tmp_path, "model.hidden=[16,8]").config
    assert (config.model, config.outputs) == (same.model, str(folder))
    assert config.trainer.max_seconds is None
    assert run.metrics == {}
    with pytest.raises(UserError, match=r"model\.layers=3: given twice, as model\.layers=2 too"):
        genlab.experiment("model.layers=3", model=nested)
    with pytest.raises(UserError, match=r"seed: expected text, a number, a list .* got set"):
        genlab.experiment(seed={1, 2})


def test_a_mapping_may_be_a_value(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("p [GeV],b\n" + "".join(f"{n % 8},{n**2 % 7}\n" for n in range(50)))
    bounds = {"p [GeV]": [0, None], "b": (0, 7.5)}
    run = genlab.experiment("data=table", model="gmm", data={"path": path, "bounds": bounds})
    assert run.config.data.bounds == {"p [GeV]": [0, None], "b": [0, 7.5]}
    with pytest.raises(UserError, match=r"data\.bounds: 'größe' has letters that no mapping"):
        genlab.experiment("data=table", model="gmm", data={"bounds": {"größe": [0, 1]}})


def test_the_latest_run_is_loaded_by_that_word(
    run: Training, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run.directory is not None
    (tmp_path / "outputs").symlink_to(run.directory.path.parent)
    monkeypatch.chdir(tmp_path)
    loaded = genlab.load("latest")
    assert loaded.directory is not None
    assert loaded.directory.path.name == run.directory.path.name
    assert loaded.metrics == json.loads(run.directory.metrics.read_text())
    assert run.metrics["val/loss"] == loaded.metrics["val/loss"]


def test_a_run_says_what_it_is_and_where_it_is_kept(run: Training, tmp_path: Path) -> None:
    assert run.directory is not None
    first = f"Training of realnvp on moons, seed 0: done in {run.directory.path}, test/kl "
    assert repr(run).startswith(first)
    assert re.search(r" \+- [\d.]+, test/nll [\d.]+ \+- [\d.]+$", repr(run))
    page = run._repr_html_()
    assert "exact" in page
    assert str(run.directory.path) in page
    assert "test/w2" in page
    assert repr(small_experiment(tmp_path)) == "Training of realnvp on moons, seed 0: not fitted"
    shown = "TargetData(event_shape=[2], batch_size=64, target=Moons)"
    assert str(run.data) == repr(run.data) == shown


@pytest.mark.usefixtures("undrawn")
def test_the_notes_are_told_in_python_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path)
    run = genlab.experiment(*TABLE)
    assert not caplog.messages
    run.fit()
    told = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.getMessage() for record in told] == [f"note: {note}" for note in run.remarks]
    assert run.remarks[0].endswith("points.csv: 80 rows to learn from, 10 to validate, 10 to test")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("resume", [False, True])
def test_a_finished_run_is_not_trained_anew(run: Training, resume: bool) -> None:
    assert run.directory is not None
    loaded, before = genlab.load(run.directory.path), contents(run.directory.path)
    with pytest.raises(UserError, match=r"is done; genlab resume .* trainer.max_steps=120 goes"):
        loaded.fit(resume=resume)
    assert contents(run.directory.path) == before
    assert all(
        torch.equal(value, run.model.state_dict()[name])
        for name, value in loaded.model.state_dict().items()
    )


def test_metrics_are_those_of_the_best_weights_alone(run: Training) -> None:
    """Not of a model that was changed by hand, nor of one that another process is training."""
    assert run.directory is not None
    metrics, status = run.directory.metrics, run.directory.status
    before = metrics.read_bytes(), status.read_bytes()
    changed = genlab.load(run.directory.path)
    with torch.no_grad():
        next(changed.model.parameters()).add_(0.1)
    assert changed.test()["test/kl"] != json.loads(before[0])["test/kl"]
    assert metrics.read_bytes() == before[0]
    write_status(run.directory, "running")
    loaded = genlab.load(run.directory.path)
    assert loaded.test()["test/kl"] == pytest.approx(json.loads(before[0])["test/kl"], abs=1e-6)
    with pytest.raises(UserError, match="still running"):
        loaded.fit()
    assert metrics.read_bytes() == before[0]
    status.write_bytes(before[1])
    loaded.test()
    assert "tested again, by genlab" in run.directory.log.read_text()


@pytest.mark.usefixtures("undrawn")
def test_a_run_and_a_target_that_was_edited_since(tmp_path: Path) -> None:
    file = tmp_path / "target.py"
    draw = "torch.randn(n, 2, generator=generator)"
    text = f"import torch\ndef sample(n, generator):\n    return {draw}"
    file.write_text(text)
    one = small_experiment(tmp_path, "data=custom", f"data.file={file}", "trainer.max_steps=20")
    one.fit()
    assert one.directory is not None
    before = contents(one.directory.path)
    file.write_text(f"{text} + 1\n")
    loaded = genlab.load(one.directory.path)
    with pytest.raises(UserError, match=r"target.py: has changed since the run was made"):
        loaded.test()
    write_status(one.directory, "interrupted", step=20)
    with pytest.raises(UserError, match="has changed since the run was made"):
        loaded.fit(resume=True)
    del before[one.directory.status]
    after = contents(one.directory.path)
    assert {path: after[path] for path in before} == before


def test_a_run_is_loaded_with_its_own_number_of_threads(run: Training) -> None:
    assert run.directory is not None
    torch.set_num_threads(2)
    genlab.load(run.directory.path)
    assert torch.get_num_threads() == 1


def test_an_experiment_is_fitted_once_and_loading_leaves_random_numbers_alone(
    run: Training,
) -> None:
    with pytest.raises(UserError, match="fitted already"):
        run.fit()
    assert run.directory is not None
    before = torch.get_rng_state()
    genlab.load(run.directory.path)
    assert torch.equal(before, torch.get_rng_state())


def test_curves_get_no_last_point_of_another_meaning(run: Training) -> None:
    assert run.directory is not None
    events = EventAccumulator(str(run.directory.tensorboard)).Reload()
    assert [point.step for point in events.Scalars("val/loss")] == [20, 40, 60]
    assert len(events.Scalars("test/kl")) == 1


@pytest.mark.usefixtures("undrawn")
def test_the_same_seed_gives_the_same_run(tmp_path: Path, run: Training) -> None:
    other = small_experiment(tmp_path)
    metrics = other.fit()
    assert run.directory is not None
    assert metrics["test/kl"] == json.loads(run.directory.metrics.read_text())["test/kl"]
    third = small_experiment(tmp_path, "seed=1")
    assert third.fit()["test/kl"] != metrics["test/kl"]


@pytest.mark.usefixtures("undrawn")
def test_a_fixed_training_set_is_fitted_too(tmp_path: Path) -> None:
    run = small_experiment(tmp_path, "data.train_size=50", "model=nice")
    assert run.fit()["test/kl"] is not None
    assert run.data.first_rows().x.shape == (50, 2)


def test_a_monitor_that_is_not_reported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trainer.monitor=val/los.*did you mean 'val/loss'"):
        small_experiment(tmp_path, "trainer.monitor=val/los")


def test_an_impossible_value_names_its_section(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.event_shape: a coupling needs at least 2"):
        small_experiment(tmp_path, "data=gaussian", "data.dim=1")
