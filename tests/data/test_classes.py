"""Tables with a column of words or truth values that a model is conditioned on."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal

import genlab
from genlab.cli.main import main
from genlab.config.compose import compose
from genlab.config.look import look_at
from genlab.errors import UserError

WORDS = ("Adelie", "Chinstrap", "Gentoo")
# One Gaussian a class: its likelihood has the answer in closed form.
GAUSSIANS = ("model=gmm", "model.components=1", "callbacks=minimal", "logger=none")
SPLIT = ("data.split_seed=null", "data.val_fraction=0.2", "data.test_fraction=0.2")
TABLE = ("data=table", "data.path=birds.csv", *SPLIT)


def birds(n: int = 300) -> pd.DataFrame:
    """Two lengths that depend on each other, on a species, and on a sex."""
    rng = np.random.default_rng(3)
    species, male = rng.integers(0, 3, n), rng.random(n) < 0.5
    bill = 40 + 4 * species + 2 * male + rng.normal(size=n)
    depth = 15 + bill / 20 - species + 0.5 * rng.normal(size=n)
    return pd.DataFrame(
        {"bill": bill, "species": np.array(WORDS)[species], "depth": depth, "male": male}
    )


def gaussians(frame: pd.DataFrame, by: str) -> pd.Series:
    """The log-density of each row under the Gaussian of the training rows of its class."""
    learned = frame.iloc[: int(0.6 * len(frame))].groupby(by)[["bill", "depth"]]
    laws = {
        word: multivariate_normal(part.mean(), part.cov(ddof=0), allow_singular=True)
        for word, part in learned
    }
    rows = [
        laws[row[by]].logpdf(row[["bill", "depth"]].astype(float)) for _, row in frame.iterrows()
    ]
    return pd.Series(rows, frame.index)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return birds()


@pytest.fixture(scope="module")
def folder(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run has learned birds given their species."""
    folder = tmp_path_factory.mktemp("birds")
    frame.to_csv(folder / "birds.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ("data.condition=[species]", "data.drop=[male]")
        assert main(["train", *GAUSSIANS, *TABLE, *words]) == 0
    return folder


@pytest.fixture(autouse=True)
def _inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_each_word_has_the_density_of_its_rows(frame: pd.DataFrame) -> None:
    run = genlab.load("latest")
    expected = gaussians(frame, "species")
    np.testing.assert_allclose(run.log_prob(frame), expected, atol=2e-3)
    np.testing.assert_allclose(run.metrics["test/nll"], -expected.iloc[-60:].mean(), atol=2e-3)
    of_word = run.log_prob(frame[["depth", "bill"]], "Gentoo")
    np.testing.assert_array_equal(of_word, run.log_prob(frame.assign(species="Gentoo")))
    number = run.data.label_names.index("Gentoo")
    x = torch.tensor(frame[["bill", "depth"]].to_numpy())
    given = run.model.double().distribution(torch.tensor(number))
    np.testing.assert_allclose(given.log_prob(x).detach(), of_word, atol=1e-3)


def test_samples_and_scores_know_the_words(
    frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    means = frame.groupby("species")["bill"].mean()
    for word in ("Gentoo", "species=Gentoo", "2"):
        command = ["sample", "latest", "--condition", word, "-n", "400", "--seed", "1"]
        assert main([*command, "-o", "new.csv"]) == 0, capsys.readouterr().err
        drawn = pd.read_csv("new.csv")
        assert list(drawn) == ["bill", "depth", "species"]
        assert set(drawn["species"]) == {"Gentoo"}
        assert drawn["bill"].mean() == pytest.approx(means["Gentoo"], abs=0.4)
    frame[["species"]].to_csv("rows.csv", index=False)
    for name in ("each.csv", "each.parquet", "each.npz"):
        assert main(["sample", "latest", "--condition", "rows.csv", "-n", "2", "-o", name]) == 0
        assert main(["score", "latest", "-i", name, "-o", "scores.csv"]) == 0
        scores = pd.read_csv("scores.csv")
        assert list(scores) == ["bill", "depth", "species", "log_prob"]
        assert scores["species"].tolist() == frame["species"].repeat(2).tolist()
    run = genlab.load("latest")
    # The command scores in double precision.
    np.testing.assert_allclose(scores["log_prob"], run.log_prob(scores), atol=1e-3)
    pair = run.sample(3, {"species": ["Adelie", "Gentoo"]}, seed=2)
    assert pair["species"].tolist() == ["Adelie"] * 3 + ["Gentoo"] * 3


def test_unknown_words_are_answered_with_the_nearest(
    frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = "got 'Gento'; did you mean 'Gentoo'?"
    assert main(["sample", "latest", "--condition", "Gento"]) == 2
    assert capsys.readouterr().err == f"genlab: --condition: {answer}\n"
    other = frame.head().assign(species="Gento")
    other.to_csv("other.csv", index=False)
    assert main(["score", "latest", "-i", "other.csv"]) == 2
    told = capsys.readouterr().err
    assert told == f"genlab: -i other.csv: column 'species', row 1: {answer}\n"
    run = genlab.load("latest")
    with pytest.raises(UserError, match=re.escape(f"context: {answer}")):
        run.log_prob(other)
    with pytest.raises(UserError, match=re.escape(f"context: {answer}")):
        run.sample(2, {"species": "Gento"})


def test_a_run_leaves_with_its_words(frame: pd.DataFrame) -> None:
    assert main(["export", "latest", "-o", "out"]) == 0
    exported = genlab.load("out")
    found = genlab.score(exported.model, frame[["depth", "species", "bill"]])
    np.testing.assert_array_equal(found, genlab.load("latest").log_prob(frame))
    assert "given one of 3 classes (Adelie, Chinstrap, Gentoo)" in Path("out/README.md").read_text()


def test_runs_given_the_same_words_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data.condition=[species]", "data.drop=[male]", "model.covariance=diag")
    assert main(["train", *GAUSSIANS, *TABLE, *words, "outputs=paired"]) == 0
    (other,) = [path.parent for path in Path("paired").rglob("run.json")]
    capsys.readouterr()
    assert main(["compare", "latest", str(other), "--paired"]) == 0, capsys.readouterr().err
    assert "60 test rows" in capsys.readouterr().out


def test_truth_values_and_numbers_may_be_classes(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "coded.csv"
    coded = frame.drop(columns="species").assign(code=frame["species"].map(WORDS.index) * 2 + 3)
    coded.to_csv(path, index=False)
    for given, other, values in (("male", "code", (False, True)), ("code", "male", (3, 5, 7))):
        words = (f"data.condition=[{given}]", f"data.categories=[{given}]", f"data.drop=[{other}]")
        run = genlab.experiment(*GAUSSIANS, "data=table", f"data.path={path}", *SPLIT, *words)
        run.fit()
        assert run.data.label_names == values
        np.testing.assert_allclose(run.log_prob(coded), gaussians(coded, given), atol=2e-3)
        drawn = run.sample(2, {given: list(values)}, seed=0)
        assert drawn[given].tolist() == [value for value in values for _ in range(2)]
        np.testing.assert_allclose(run.log_prob(drawn), run.log_prob(drawn, drawn[given]))
    with pytest.raises(UserError, match="context: got '1'; choose from: 3, 5, 7"):
        run.sample(1, {"code": 1})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["data.condition=[species,male]"],
            r"data.condition=\[species,male\]: 'species' is a category, which conditions",
        ),
        (
            ["data.condition=[specie]"],
            "data.condition: no column 'specie'; did you mean 'species'?",
        ),
        (["data.columns=[bill]", "data.condition=[odd]"], "column 'odd' holds text"),
        (["data.condition=[name]"], "column 'name' of .* holds 300 different values; expected at"),
    ],
)
def test_what_is_no_class_is_refused(
    frame: pd.DataFrame, tmp_path: Path, words: list[str], message: str
) -> None:
    odd = frame["depth"].round(1).astype(str)
    odd[5] = "14.x"
    names = [f"bird {number:03}" for number in range(len(frame))]
    frame.assign(odd=odd, name=names).to_csv(tmp_path / "more.csv", index=False)
    path = f"data.path={tmp_path / 'more.csv'}"
    with pytest.raises(UserError, match=message):
        look_at(compose("train", ["data=table", path, *words]))


def test_empty_cells_of_classes(frame: pd.DataFrame, tmp_path: Path) -> None:
    gaps = frame.drop(columns="male").assign(species=frame["species"].where(frame.index % 10 > 0))
    gaps.to_csv(tmp_path / "gaps.csv", index=False)
    words = ("data=table", f"data.path={tmp_path / 'gaps.csv'}", "data.condition=[species]")
    counts = {}
    for missing in ("drop", "impute_median"):
        data = genlab.experiment(*GAUSSIANS, *words, f"data.missing={missing}").data
        given = torch.cat([part.context for part in data.sets])
        counts[missing] = torch.bincount(given, minlength=3)
    most = int(counts["drop"].argmax())
    assert counts["drop"].sum() == 270
    assert counts["impute_median"][most] == counts["drop"][most] + 30
