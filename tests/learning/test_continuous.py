"""The continuous families from the command line's words to a finished run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from omegaconf import OmegaConf
from PIL import Image
from properties import disturb, jacobian
from small import SMALL

import genlab
from genlab.assembly import Training, experiment
from genlab.batch import Batch
from genlab.errors import RunError, UserError
from genlab.evaluation import negative_log_likelihood
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.models import ContinuousFlow
from genlab.runs.directory import RunDirectory

QUICK = (
    *(word for word in SMALL if not word.startswith("model.")),
    "callbacks=none",
    "logger=none",
    "model.network.width=8",
    "model.network.blocks=1",
    "model.evaluation.rtol=1e-3",
    "model.evaluation.atol=1e-3",
    "objective.val_rows=50",
)
FLOW_MATCHING = ("model=flow-matching", "model.solver.steps=4")
CNF = ("model=cnf", "model.solver.steps=2")
FAMILIES = {"flow-matching": FLOW_MATCHING, "cnf": CNF}


def small(folder: Path, *overrides: str) -> Training:
    return experiment(*QUICK, f"outputs={folder}", *overrides)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return FAMILIES[request.param]


@pytest.mark.slow
def test_a_whole_run_with_its_figures_and_its_animation(
    tmp_path: Path, family: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ContinuousFlow, "test_samples", 400)
    monkeypatch.setattr("genlab.evaluation.figures.paths.FRAMES", 12)
    run = small(tmp_path, *family)
    metrics = run.fit()
    assert run.directory is not None
    manifest = json.loads(run.directory.manifest.read_text())
    assert manifest["likelihood"] == "exact"
    assert metrics["test/kl"] < 3
    assert metrics["ode/nfe"] >= 14
    # Four of Adams's steps, or two of Runge and Kutta's.
    assert metrics["ode/nfe_sample"] == (5 if family == FLOW_MATCHING else 8)
    assert metrics["ode/straightness"] > 0
    assert 0 < metrics["ode/error"] < 0.05
    assert metrics["test/inverse_error"] < 1
    names = {path.stem for path in run.directory.figures.glob("*.png")}
    assert names == {"density", "samples", "latent", "deformation", "paths"}
    assert imread(run.directory.figures / "paths.png").std() > 0.05
    loaded = genlab.load(run.directory.path)
    x = torch.randn(20, 2)
    torch.testing.assert_close(loaded.model.log_prob(x), run.model.log_prob(x), atol=0, rtol=0)
    gif = loaded.animate(tmp_path)
    with Image.open(gif) as image:
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(torch.from_numpy(np.array(image.convert("L"))).float())
        assert len(frames) >= 10
        assert (frames[0] - frames[-1]).abs().mean() > 1, "it moves"


@pytest.mark.parametrize("dim", [2, 5])
def test_log_determinants_by_default_are_those_of_the_autograd_jacobian(
    tmp_path: Path, family: tuple[str, ...], dim: int
) -> None:
    words = (family[0], "data=gaussian", f"data.dim={dim}", f"outputs={tmp_path}")
    ode = experiment(*words).model.double().eval().ode
    # Fresh weights are those of no motion, which is the same in any dimension.
    for scale in (0.0, 0.05) if dim == 2 else (0.05,):
        disturb(ode, scale)
        for start, move in ((torch.randn(4, dim).double(), m) for m in (ode.forward, ode.inverse)):
            truth = torch.linalg.slogdet(jacobian(lambda x, move=move: move(x)[0], start)).logabsdet
            found = move(start)[1]
            torch.testing.assert_close(found, truth, atol=1e-5, rtol=0)


def test_a_resumed_run_ends_with_the_same_weights(
    tmp_path: Path, family: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sources, times and probes come from generators whose state a checkpoint keeps."""
    for name in ("_evaluate", "_draw"):
        monkeypatch.setattr(Training, name, lambda *_: {})
    whole, part = (
        small(tmp_path, *family, "schedule=constant", f"trainer.max_steps={steps}")
        for steps in (40, 20)
    )
    whole.fit()
    part.fit()
    assert whole.directory is not None
    assert part.directory is not None
    config = OmegaConf.load(part.directory.config)
    config.trainer.max_steps = 40
    Training(config, RunDirectory(part.directory.path)).fit(resume=True)
    first, second = (load_checkpoint(run.directory.last)["state_dict"] for run in (whole, part))
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


def test_validation_repeats_and_leaves_the_random_numbers_alone(
    tmp_path: Path, family: tuple[str, ...]
) -> None:
    run = small(tmp_path, *family)
    run.model.eval()
    before = torch.get_rng_state()
    with torch.no_grad():
        first, second = (run.module.validate(run.data.validation) for _ in range(2))
    assert first == second
    assert set(first) == {"val/loss", "val/nll"}
    assert torch.equal(before, torch.get_rng_state())


def test_validation_is_rough_and_the_test_is_not(tmp_path: Path, family: tuple[str, ...]) -> None:
    exact = ("model.evaluation.rtol=1e-6", "model.evaluation.atol=1e-6")
    words = [word for word in QUICK if "evaluation" not in word]
    run = experiment(*words, *exact, f"outputs={tmp_path}", *family)
    run.initialise()
    ode = disturb(run.model, 0.3).ode
    batch = run.data.validation.rows(slice(50))
    run.module.validation_step(batch, 0)
    evaluations = ode.evaluations()["ode/nfe"]
    found = run.module.validation_means()["val/nll"].item()
    score = negative_log_likelihood(run.model, batch).value
    assert found == pytest.approx(score, abs=0.001)
    assert evaluations < 0.7 * ode.evaluations()["ode/nfe"]


def test_flow_matching_without_log_densities_reports_none(tmp_path: Path) -> None:
    run = small(tmp_path, *FLOW_MATCHING, "objective.val_rows=0")
    assert set(run.module.validate(run.data.validation)) == {"val/loss"}
    with pytest.raises(UserError, match=r"trainer\.monitor=val/nll: not a validation metric"):
        small(tmp_path, *FLOW_MATCHING, "objective.val_rows=0", "trainer.monitor=val/nll")


def test_one_toy_carried_into_another(tmp_path: Path) -> None:
    run = small(tmp_path, *FLOW_MATCHING, "model.source=eight_gaussians", "trainer.max_steps=20")
    target = run.data.target
    run.initialise()
    # What a run keeps tells the source without this version's configs.
    assert run.config.model.source.name == "eight_gaussians"
    assert run.config.model.source.target._target_ == "genlab.targets.EightGaussians"
    again = Training(OmegaConf.create(OmegaConf.to_container(run.config)))
    again.model.load_state_dict(run.model.state_dict())
    x = target.sample(50)
    with torch.no_grad():
        torch.testing.assert_close(again.model.log_prob(x), run.model.log_prob(x))
        start = run.model.base.sample(2000)
    back = run.model.preprocessing.generate(start)
    assert back.norm(dim=1).mean().item() == pytest.approx(2.83, abs=0.1), "units of the source"
    loss = run.module.loss(Batch(x))
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model.source=eight_gausians",), r"model\.source=eight_gausians: no such source; did you "
         "mean 'eight_gaussians'"),
        (("model.source=funnel", "data=gaussian", "data.dim=3"), None),
        (("model.source=image_density", "data=gaussian", "data.dim=3"), r"model\.source: its "
         r"samples have shape \[2\], the data's \[3\]"),
        (("model.guidance=3",), r"model\.guidance=3: an unconditional model"),
        (("model.solver.steps=0",), r"model\.solver\.steps=0: expected an integer, at least 1"),
        (("path=cosine", "model.path.sigma_0=0.1"), r"model\.path\.sigma_0=0.1"),
        (("model.labels=3", "model.guidance=2", "objective.context_dropout=0"),
         r"model\.guidance=2: it needs .* objective\.context_dropout=0\.1"),
        (("model.context_dim=3", "pairing=sinkhorn"), "pairing: .* use pairing=independent"),
        (("model.prediction=x0",), r"model\.prediction=x0: expected velocity, x1 or noise"),
        (("objective.times.distribution=normal",), r"objective\.times\.distribution=normal: exp"),
        (("network=unet", "~model.network.width", "~model.network.blocks"), None),
    ],
)  # fmt: skip
def test_mistakes_of_the_user(tmp_path: Path, words: tuple[str, ...], message: str | None) -> None:
    overrides = [word for word in QUICK if "network" not in word]
    network = [word for word in QUICK if "network" in word and "network=unet" not in words]
    words = tuple(word for word in words if not word.startswith("~"))
    if message is None and "network=unet" not in words:
        experiment(*overrides, *network, f"outputs={tmp_path}", *FLOW_MATCHING, *words)
        return
    message = message or r"model\.event_shape: expected samples of shape"
    with pytest.raises(UserError, match=message):
        experiment(*overrides, *network, f"outputs={tmp_path}", *FLOW_MATCHING, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("objective=flow_matching",),
            "VelocityRegression teaches FlowMatching models, not RealNVP",
        ),
        (
            ("objective=regularised_likelihood",),
            "RegularisedLikelihood teaches ContinuousFlow models, not",
        ),
    ],
)
def test_an_objective_names_the_family_that_it_learns(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        experiment("model=realnvp", f"outputs={tmp_path}", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model=realnvp", "solver=dopri5"), "solver=dopri5: nothing uses it; RealNVP has no solv"),
        (("model=cnf", "path=linear"), "path=linear: nothing uses it; CNF has no path"),
        (
            ("model=cnf", "pairing=sinkhorn"),
            "pairing=sinkhorn: nothing uses it; RegularisedLikelihood has no pairing",
        ),
    ],
)
def test_a_piece_that_nothing_uses_is_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        experiment(*words)


def test_flow_matching_learns_by_likelihood_too(tmp_path: Path) -> None:
    for objective in ("maximum_likelihood", "regularised_likelihood"):
        words = [word for word in QUICK if "val_rows" not in word]
        run = experiment(*words, *FLOW_MATCHING, f"objective={objective}", f"outputs={tmp_path}")
        run.module.loss(run.data.stream.rows(0, 16)).backward()


def test_a_solver_that_gives_up_in_training_says_what_to_change(tmp_path: Path) -> None:
    words = ["solver=dopri5", "model.solver.rtol=1e-3", "model.gradient=adjoint"]
    run = experiment(*QUICK, f"outputs={tmp_path}", "model=cnf", *words)
    with torch.no_grad():
        run.model.ode.velocity.last.weight.mul_(1e9)
    with pytest.raises(RunError, match=r"(?s)the ODE solver gave up.*solver=rk4"):
        run.fit()


@pytest.mark.parametrize(
    ("objective", "price"),
    [
        ("regularised_likelihood", r"a larger objective\.kinetic"),
        ("maximum_likelihood", "objective=regularised_likelihood"),
    ],
)
def test_a_flow_that_its_steps_lose_says_what_to_change(
    tmp_path: Path, objective: str, price: str
) -> None:
    words = [word for word in QUICK if "val_rows" not in word]
    more = [f"objective={objective}", "callbacks=minimal", f"outputs={tmp_path}"]
    run = experiment(*words, *CNF, *more)
    with torch.no_grad():
        run.model.ode.velocity.last.weight.mul_(1e25)
    with pytest.raises(RunError, match=rf"(?s)became .*model\.solver\.steps=4, {price}, "):
        run.fit()


def test_only_a_continuous_flow_is_animated(tmp_path: Path) -> None:
    run = experiment(*SMALL, f"outputs={tmp_path}", "model=realnvp")
    with pytest.raises(UserError, match="plot --animate: shows how cnf and flow-matching move"):
        run.animate(tmp_path)
