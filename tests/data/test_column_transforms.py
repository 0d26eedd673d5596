"""What columns can hold: supports, types, masses against scipy, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from collisions import CHANNELS, TRANSFORMS, collisions
from omegaconf import DictConfig
from properties import FAMILIES, MODELS
from scipy import stats

import genlab
from genlab.batch import Batch
from genlab.cli.point_files import read_rows, write_columns
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.look import look_at
from genlab.config.stored import plain
from genlab.data import TableData
from genlab.data.column_points import log_masses, onto_lines, redrawn
from genlab.data.column_transforms import ColumnTransforms
from genlab.data.preceding import precede
from genlab.densities import Density, StandardNormal
from genlab.densities.inference import inference
from genlab.errors import UserError
from genlab.evaluation import estimate_mean
from genlab.objectives import EM, MaximumLikelihood
from genlab.runs.comparison.subjects import tells

N = 400
KEYS = {
    "log": "[pt]",
    "bounds": "{eta:[-2.5,2.5],jets:[0,null]}",
    "circular": "[phi]",
    "integer": "[jets]",
    "categories": "[tagged,channel]",
    "weight": "weight",
}


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    return collisions(N)


@pytest.fixture
def path(tmp_path: Path, events: pd.DataFrame) -> Path:
    events.to_csv(tmp_path / "events.csv", index=False)
    return tmp_path / "events.csv"


def composed(path: Path, **keys: str) -> DictConfig:
    words = [f"data.{key}={value}" for key, value in (KEYS | keys).items()]
    return compose("train", ["data=table", f"data.path={path}", *words])


def table(path: Path, **keys: str) -> TableData:
    config = composed(path, **keys)
    check(config)
    look_at(config)
    return TableData(**{k: v for k, v in plain(config)["data"].items() if k != "_target_"})


def standard(columns: ColumnTransforms, rows: torch.Tensor) -> Density:
    """Independent standard normals behind the transforms of some columns."""
    model = StandardNormal((columns.dim,)).double()
    way = onto_lines(columns)
    assert way is not None
    model.preprocessing = way.double()
    model.preprocessing.initialise(rows)
    return model


class Steps(Density):
    """The density on the line that is constant on each ``[n, n + 1)``, with Poisson's masses."""

    def __init__(self, rate: float) -> None:
        super().__init__(1)
        self.law = stats.poisson(rate)

    def _log_prob(self, x: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        return torch.from_numpy(self.law.logpmf(x[:, 0].floor().numpy()))

    def _sample(self, n: int, context: Any, generator: torch.Generator | None) -> torch.Tensor:
        raise NotImplementedError

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64


def test_a_log_normal_and_a_bounded_column_have_scipys_density() -> None:
    columns = ColumnTransforms.of(["pt", "eta"], log=["pt"], bounds={"eta": [-2.5, 2.5]})
    rows = np.array([[0.3, -2.4], [1.0, 0.0], [40.0, 2.5]])
    model = standard(columns, torch.from_numpy(rows))
    truth = stats.lognorm.logpdf(rows[:, 0], 1) - math.log(5)
    np.testing.assert_allclose(log_masses(model, columns, rows), truth, atol=1e-9)


def test_integers_have_poissons_masses() -> None:
    columns = ColumnTransforms.of(["n"], integer=["n"])
    n = np.arange(12.0)[:, None]
    truth = stats.poisson(2.5).logpmf(n[:, 0])
    np.testing.assert_allclose(log_masses(Steps(2.5), columns, n), truth, atol=1e-12)


def test_categories_that_depend_on_nothing_have_their_frequencies() -> None:
    columns = ColumnTransforms.of(["a", "b"], levels={"a": ("x", "y", "z"), "b": (False, True)})
    rows = np.stack([np.repeat([0.0, 1, 2], [50, 30, 20]), np.tile([0.0, 1, 1, 1], 25)], 1)
    noise = torch.rand(100, len(columns.noisy), dtype=torch.float64)
    x = redrawn(torch.zeros(100, columns.dim, dtype=torch.float64), columns.noisy, noise)
    x[:, list(columns.starts)] += torch.from_numpy(rows)
    model = standard(columns, x)
    some = np.array([[a, b] for a in range(3) for b in range(2)], float)
    masses = log_masses(model, columns, some).exp().view(3, 2)
    assert masses.sum().item() == pytest.approx(1, abs=1e-9)
    assert masses.sum(1).tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    assert masses.sum(0).tolist() == pytest.approx([0.25, 0.75], abs=0.01)


def test_masses_of_a_flow_sum_to_one_and_are_its_samples_shares() -> None:
    torch.manual_seed(0)
    columns = ColumnTransforms.of(
        ["n", "kind"], integer=["n"], bounds={"n": [0, 4]}, levels={"kind": ("a", "b", "c")}
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = genlab.models.NSF(columns.dim, layers=2, hidden=[8])
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    model.preprocessing = onto_lines(columns)
    n, kind = (part.flatten() for part in np.meshgrid(range(5), range(3), indexing="ij"))
    rows = np.repeat(np.stack([n, kind], 1).astype(float), 2000, 0)
    x = torch.zeros(len(rows), columns.dim)
    x[:, [0, 1]] = torch.from_numpy(rows).float()
    x = redrawn(x, columns.noisy, torch.rand(len(x), 4))
    with inference(model):
        masses = model.log_prob(x).exp().view(15, 2000).double().mean(1)
        found = columns.rows(model.sample(4000).numpy())
    shares = np.bincount((3 * found[:, 0] + found[:, 1]).astype(int), minlength=15) / 4000
    assert masses.sum().item() == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(shares, masses, atol=0.03)


def test_noise_stays_in_its_cell_in_every_type() -> None:
    noise = torch.tensor([[0.0], [1 - 2**-40], [0.5]], dtype=torch.float64)
    for dtype in (torch.float32, torch.float64):
        for n in (0.0, 7.0, -1.0, 2.0**19):
            x = redrawn(torch.full((3, 1), n, dtype=torch.float64), (0,), noise, dtype)
            assert x.dtype == dtype
            assert (x.floor() == n).all()
            assert (x > n).all()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"log": ["q"]}, "log: no column 'q'; choose from: a, b, n"),
        ({"log": ["a"], "bounds": {"a": [0, 1]}}, "bounds: 'a' is in `log` already"),
        ({"log": ["a", 0]}, "log: 'a' is in `log` already"),
        ({"circular": ["a"], "integer": ["a"]}, "integer: 'a' is in `circular` already"),
        ({"integer": ["n"], "levels": {"n": (0, 1)}}, "categories: 'n' is in `integer` already"),
        ({"bounds": {"a": [2, -2]}}, r"expected low < high; did you mean \[-2, 2\]\?"),
        ({"bounds": {"a": [2, 2]}}, r"bounds={a: \[2, 2\]}: expected low < high$"),
        ({"bounds": {"a": [None, None]}}, "expected an end on one side at least"),
        ({"bounds": {"a": [1]}}, r"expected \[low, high\], with null for an open side"),
        ({"bounds": {"n": [0.5, 3]}, "integer": ["n"]}, "expected integers, as `integer` has"),
        ({"log": "a"}, r"log=a: expected a list"),
    ],
)
def test_what_is_said_of_columns_is_checked(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ColumnTransforms.of(["a", "b", "n"], **keys)


@pytest.mark.parametrize("kind", [np.int64, np.float32, int, float])
def test_the_ends_of_bounds_are_numbers_of_any_type(kind: type[Any]) -> None:
    """As the smallest and largest of a column are."""
    found = ColumnTransforms.of(["a", "n"], bounds={"a": (kind(1), kind(3)), "n": (kind(0), None)})
    assert found == ColumnTransforms.of(["a", "n"], bounds={"a": [1, 3], "n": [0, None]})


def test_numbers_of_columns_are_those_of_the_file(events: pd.DataFrame, path: Path) -> None:
    places = {name: place for place, name in enumerate(events)}
    kept = {"drop": "[pt,phi]", "log": "[]", "circular": "[]"}
    numbered = {
        "bounds": "{{{eta}:[-2.5,2.5],{jets}:[0,null]}}".format(**places),
        "integer": "[{jets}]".format(**places),
        "categories": "[{tagged},{channel}]".format(**places),
    }
    assert table(path, **kept, **numbered).transforms == table(path, **kept).transforms
    with pytest.raises(UserError, match=r"bounds: 'eta' is in data\.bounds already"):
        table(path, **kept, bounds="{{eta:[-3,3],{eta}:[-3,3]}}".format(**places))


def test_a_name_that_is_a_number_is_no_other_column() -> None:
    known: dict[str, Any] = {"names": ["1", "2"], "numbered": ["0", "1", "2"]}
    assert ColumnTransforms.of(log=[2], **known).log == ("2",)
    with pytest.raises(UserError, match="log: '0' is no column to learn; expected some of 1, 2"):
        ColumnTransforms.of(log=[0], **known)
    with pytest.raises(UserError, match="log: no column -1; expected a name, or 0 to 2"):
        ColumnTransforms.of(log=[-1], **known)


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("pt", 2, -1.5, "column 'pt', row 3: got -1.5; `log` expects numbers above 0"),
        ("pt", 0, 0.0, "column 'pt', row 1: got 0; `log` expects"),
        ("eta", 9, 2.75, "column 'eta', row 10: got 2.75; `bounds` expects -2.5 to 2.5"),
        ("jets", 1, -1, "column 'jets', row 2: got -1; `bounds` expects 0 or more"),
        ("jets", 4, 1.5, "column 'jets', row 5: got 1.5; `integer` expects integers"),
        ("channel", 7, "tau", "column 'channel', row 8: got 'tau'; choose from: ee, emu, mu"),
        ("pt", 5, np.nan, "row 6, column 1 is not a finite number"),
    ],
)
def test_what_a_column_cannot_hold_is_named_by_row_and_value(
    events: pd.DataFrame, path: Path, column: str, row: int, value: object, message: str
) -> None:
    data = table(path)
    other = events.astype({column: object})
    other.loc[row, column] = value
    new = path.with_name("new.csv")
    other.to_csv(new, index=False)
    with pytest.raises(UserError, match=f"-i {new}: {message}"):
        read_rows(new, data)
    columns = genlab.columns(events.drop(columns="weight"), **TRANSFORMS)
    with pytest.raises(UserError, match=f"x: {message}"):
        columns.read(other)


def test_a_table_with_such_a_value_is_refused_as_it_is_composed(
    events: pd.DataFrame, path: Path
) -> None:
    events.assign(eta=events["eta"] * 2).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"^data.path=.*: column 'eta', row .* `?data.bounds`? exp"):
        table(path)
    with pytest.raises(UserError, match=r"'jets' is in `?data.integer`? already"):
        table(path, dequantise="[jets]")
    with pytest.raises(UserError, match=r"column 'pt' of .*categories.* holds 400 different"):
        composed(path, log="[]", categories="[pt]")


def test_a_run_knows_the_columns_and_gives_rows_back_as_they_were(
    events: pd.DataFrame, path: Path
) -> None:
    data = table(path, split_seed="null")
    assert data.event_shape == (8,)
    assert data.columns == ("pt", "eta", "phi", "jets", "tagged", *_names("channel"))
    assert data.transforms.levels == {"tagged": (False, True), "channel": CHANNELS}
    rows = data.in_file_units(data.training_set.x).numpy()
    back = data.typed(rows)
    assert back is not None
    first = events.iloc[: len(rows)]
    for name in ("jets", "tagged", "channel"):
        assert back[name].tolist() == first[name].tolist()
    for name in ("pt", "eta", "phi"):
        np.testing.assert_allclose(back[name], first[name], rtol=1e-5)
    assert (back["jets"].dtype, back["tagged"].dtype) == (np.dtype(np.int64), np.dtype(bool))


def _names(category: str) -> tuple[str, ...]:
    return (category, f"{category}.2", f"{category}.3")


def test_noise_is_fresh_for_gradients_and_the_same_for_passes(path: Path) -> None:
    data = table(path)
    n = len(data.training_set.x)
    order = [data.pass_stream.order.rows(turn * n, turn * n + n) for turn in (0, 1)]
    first, second = (data.stream.rows(turn * n, turn * n + n).x for turn in (0, 1))
    one, two = first[order[0].argsort()], second[order[1].argsort()]
    noisy = list(data.transforms.noisy)
    assert (one[:, noisy] != two[:, noisy]).all(1).any()
    assert torch.equal(one[:, noisy].floor(), two[:, noisy].floor())
    assert torch.equal(one[:, :3], two[:, :3])
    assert torch.equal(data.stream.rows(3, 9).x, first[3:9])
    some = data.pass_stream.rows(0, n).x[order[0].argsort()]
    assert torch.equal(some, data.training_set.x)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_types_and_units_are_those_of_the_file(
    tmp_path: Path, events: pd.DataFrame, suffix: str
) -> None:
    typed = events.astype({"pt": np.float32, "jets": np.uint8}).drop(columns="weight")
    path = tmp_path / f"events{suffix}"
    columns = {name: typed[name].to_numpy() for name in typed}
    write_columns(path, columns | {"channel": np.array(typed["channel"].tolist())})
    data = table(path, weight="null")
    assert data.transforms.types.get("jets") == (None if suffix == ".csv" else "uint8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = genlab.models.CircularNSF(8, circular=[2], layers=1, hidden=[8])
    precede(model, data)
    model.initialise(data.first_rows().x)
    model.eval()
    samples = data.typed(data.in_file_units(model.sample(500)).numpy())
    assert samples is not None
    write_columns(tmp_path / f"new{suffix}", samples)
    again = read_rows(tmp_path / f"new{suffix}", data)  # what is outside would be refused
    with inference(model):
        assert data.log_prob(model.double(), again.x, None).isfinite().all()
    if suffix != ".csv":
        assert (samples["jets"].dtype, samples["pt"].dtype) == (np.uint8, np.float32)
    assert set(samples["channel"]) <= set(CHANNELS)


def test_empty_cells_hold_medians_and_the_notes_say_so(events: pd.DataFrame, path: Path) -> None:
    other = events.astype({"channel": object, "jets": float})
    other.loc[3, "pt"] = other.loc[5, "jets"] = other.loc[3, "channel"] = np.nan
    other.to_csv(path, index=False)
    with pytest.raises(UserError, match="2 of 400 rows lack a number"):
        table(path)
    data = table(path, missing="impute_median", split_seed="null")
    x = data.in_file_units(data.training_set.x).numpy()
    train = other.iloc[: len(x)]
    assert x[3, 0] == pytest.approx(np.percentile(train["pt"].dropna(), 50, method="lower"))
    assert x[5, 3] == np.percentile(train["jets"].dropna(), 50, method="lower")
    most = train["channel"].mode()[0]
    assert CHANNELS[int(x[3, 5])] == most
    assert any("lack a number ('pt' 1, 'jets' 1, 'channel' 1)" in one for one in data.remarks)
    assert any("median of the training rows: pt" in one and most in one for one in data.remarks)
    other.loc[3, "phi"] = np.nan
    other.to_csv(path, index=False)
    with pytest.raises(UserError, match=r"'phi' lacks numbers, and an angle has no median"):
        table(path, missing="impute_median")


def test_signed_weights_are_for_likelihood_and_noted(events: pd.DataFrame, path: Path) -> None:
    signed = events.assign(weight=np.where(np.arange(N) % 5, 1.0, -1.0))
    signed.to_csv(path, index=False)
    data = table(path)
    assert data.training_set.weight is not None
    assert any("weights are negative: likelihood" in one for one in data.remarks)
    assert MaximumLikelihood.signed
    assert not EM.signed
    signed.assign(weight=-signed["weight"]).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"weight=weight: .* are negative"):
        table(path)


def test_a_signed_mean_is_that_of_the_law_and_has_its_error() -> None:
    # Rows of the law 2 N(1, 1) - N(3, 1), whose mean is -1.
    draw = torch.Generator().manual_seed(0)
    sign = torch.where(torch.arange(30_000) % 3 == 0, -1.0, 1.0)
    values = torch.randn(30_000, generator=draw) + torch.where(sign < 0, 3.0, 1.0)
    found = estimate_mean(values, sign)
    assert abs(found.value + 1) < 4 * found.se < 0.25
    x = torch.randn(2000, 1, generator=draw)
    weight = torch.where(torch.arange(2000) % 4 == 0, -0.5, 1.0)
    loss = MaximumLikelihood().loss(StandardNormal((1,)), Batch(x, None, weight))
    total = (weight.numpy() * stats.norm.logpdf(x[:, 0].numpy())).sum()
    assert loss.item() == pytest.approx(-total / np.abs(weight.numpy()).sum(), rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_such_a_table(family: str, path: Path) -> None:
    data = table(path, circular="[]", weight="null", drop="[phi,weight]")
    model = MODELS[family](data.transforms.dim)
    precede(model, data)
    model.initialise(data.first_rows().x)
    with inference(model):
        rows = data.in_file_units(model.sample(40)).numpy().astype(np.float64)
        data.transforms.refuse_outside("samples", rows)
        assert data.log_prob(model, rows[:5], None).isfinite().all()


def test_a_box_of_the_model_and_transforms_are_not_both(path: Path) -> None:
    model = genlab.models.KRNet(8, layers=2, bounded=[-9.0, 99.0])
    data = table(path, circular="[]")
    with pytest.raises(UserError, match="lives in a box of its own"):
        precede(model, data)


def test_a_frame_is_fitted_scored_and_sampled_by_name(events: pd.DataFrame) -> None:
    x = events.drop(columns="weight").astype({"jets": np.int16})
    columns = genlab.columns(x, **TRANSFORMS)
    assert columns.angles == (2,)
    model = genlab.models.CircularNSF(columns.dim, circular=columns.angles, layers=1, hidden=[8])
    genlab.fit(model, x, columns=columns, steps=3)
    genlab.fit(model, x, columns=columns, steps=3)  # on from there
    with pytest.raises(UserError, match="has been fitted to other columns; make a new one"):
        genlab.fit(model, x, columns=genlab.columns(x, **{**TRANSFORMS, "log": []}), steps=3)
    scores = genlab.score(model, x, columns=columns)
    assert np.isfinite(scores).all()
    # A function of the row, in whatever order its columns are.
    turned = genlab.score(model, x[list(reversed(x.columns))][::-1], columns=columns)
    np.testing.assert_allclose(turned[::-1], scores, atol=1e-5)
    frame = columns.frame(model.sample(300))
    assert frame.dtypes.astype(str).to_dict() == x.dtypes.astype(str).to_dict()
    columns.read(frame)
    with pytest.raises(UserError, match="expected a model of 8 coordinates"):
        genlab.fit(genlab.models.NSF(6), x, columns=columns)
    with pytest.raises(UserError, match=r"weight: .* are negative.*\n.*MaximumLikelihood"):
        genlab.fit(genlab.models.GMM(1), np.eye(3)[:, 0], weight=[1.0, 1.0, -0.5])


def test_runs_with_transforms_and_without_are_about_one_subject() -> None:
    assert not tells("data.log")
    assert not tells("data.bounds.eta")
    assert not tells("data.types.pt")
    assert tells("data.integer")
