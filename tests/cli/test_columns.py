"""What a user sees of columns that are not lines: samples and scores as the table has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from collisions import CHANNELS, collisions

from genlab.assembly import Training, load
from genlab.cli.main import main

RUN = (
    *("model=realnvp", "model.layers=1", "model.hidden=[8]", "data.batch_size=32"),
    *("trainer.max_steps=4", "trainer.val_every=2", "trainer.accelerator=cpu"),
    *("callbacks=minimal", "logger=none"),
)
COLUMNS = (
    *("data=table", "data.path=events.csv", "data.drop=[phi]", "data.log=[pt]"),
    "data.bounds={eta:[-2.5,2.5],jets:[0,null]}",
    *("data.integer=[jets]", "data.categories=[tagged,channel]", "data.weight=weight"),
)


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.chdir(tmp_path)
    frame = collisions(300)
    frame.to_csv("events.csv", index=False)
    return frame


def test_samples_are_the_tables_and_scores_know_it(
    events: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *RUN, *COLUMNS]) == 0, capsys.readouterr().err
    (nll,) = (one for one in capsys.readouterr().out.splitlines() if one.startswith("test/nll"))
    assert nll.endswith("an upper bound")
    for name in ("new.csv", "new.parquet", "new.npz"):
        assert main(["sample", "latest", "-n", "200", "--seed", "1", "-o", name]) == 0
    frame, other = pd.read_csv("new.csv"), pd.read_parquet("new.parquet")
    assert list(frame) == ["pt", "eta", "jets", "tagged", "channel"] == list(other)
    assert [kind.kind for kind in frame.dtypes[:4]] == ["f", "f", "i", "b"]
    assert frame["channel"].isin(CHANNELS).all()
    assert (frame["pt"] > 0).all()
    assert frame["eta"].between(-2.5, 2.5).all()
    assert frame["jets"].tolist() == other["jets"].tolist()
    with np.load("new.npz") as arrays:
        assert arrays["channel"].tolist() == frame["channel"].tolist()
    capsys.readouterr()
    for name in ("new.csv", "new.parquet", "new.npz", "events.csv"):
        assert main(["score", "latest", "-i", name, "-o", f"{name}.csv"]) == 0
        assert "in nats (a lower bound)" in capsys.readouterr().out
    scores = pd.read_csv("new.csv.csv")
    assert list(scores) == [*frame, "log_prob"]
    assert scores["channel"].tolist() == frame["channel"].tolist()
    assert np.isfinite(scores["log_prob"]).all()
    run = load("latest")
    assert isinstance(run, Training)
    assert run._places([list(events).index("jets"), "eta", "channel.2"]) == [2, 1, 5]
    frame.assign(eta=9.0).to_csv("bad.csv", index=False)
    assert main(["score", "latest", "-i", "bad.csv"]) == 2
    told = capsys.readouterr().err
    assert "-i bad.csv: column 'eta', row 1: got 9; " in told
    assert "expects -2.5 to 2.5" in told


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("data.log=[pq]", "data.log: no column 'pq'; "),
        ("data.log=[eta]", "data.bounds: 'eta' is in data.log already"),
        ("data.integer=[eta]", "data.bounds={eta: [-2.5, 2.5]}: expected integers"),
        ("data.bounds={eta:[5,1]}", "data.bounds={eta: [5, 1]}: expected low < high; did you mean"),
        ("data.categories=[tagged]", "data.path=HERE/events.csv: column 'channel' holds text"),
        ("data.missing=median", "data.missing=median: expected error, drop or impute_median"),
    ],
)
def test_mistakes_are_answered(
    word: str, answer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = word.partition("=")[0]
    words = [one for one in COLUMNS if not one.startswith(f"{key}=")]
    assert main(["train", *RUN, *words, word]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"genlab: {answer.replace('HERE', str(tmp_path))}")
    assert len(told.splitlines()) <= 2


def test_signed_weights_are_noted_or_refused(
    events: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    events["weight"] = np.where(np.arange(len(events)) % 6, 1.0, -1.0)
    events[["pt", "eta", "weight"]].to_csv("signed.csv", index=False)
    words = ("data=table", "data.path=signed.csv", "data.log=[pt]", "data.weight=weight")
    assert main(["train", *RUN, *words]) == 0
    assert "weights are negative: likelihood has a maximum over" in capsys.readouterr().err
    em = ("model=gmm", "model.components=2", "callbacks=minimal", "logger=none")
    assert main(["train", *em, *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("genlab: data.weight: ")
    assert "let a flow learn by objective=maximum_likelihood" in told
