"""The cells of the benchmark: what is timed, of which family, in which size; and who takes part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

__all__ = ["LAYERS", "Cell", "all_cells", "contestants"]

LAYERS = {"nice": 8, "realnvp": 8, "nsf": 4, "krnet": 16, "resflow": 8}
"""Couplings or blocks, of the families that have such."""

FAMILIES = (*LAYERS, "gmm", "vae", "cnf", "flow-matching")
DIMS = (2, 16, 43, 784)
FEW_DIMS = (2, 16, 43)
BATCH, LARGE = 256, 4096
BATCHES = (64, 256, 1024, 4096, 16384)
DEPTHS = (2, 4, 8, 16, 32)
TERMS = (2, 5, 10, 20, 50)

# The exact divergence takes as many products as there are dimensions.
FOLLOWS_AN_ODE = {("step", "cnf"), ("log_prob", "cnf"), ("log_prob", "flow-matching")}

OF_PEER = {
    "zuko": {"realnvp", "nsf", "gmm", "cnf"},
    "nflows": {"nice", "realnvp", "nsf"},
    "normflows": {"nice", "realnvp", "nsf", "resflow"},
    "flowjax": {"nice", "realnvp", "nsf"},
    "torchcfm": {"flow-matching"},
}
HAVE_PRODUCTS = {"nice", "realnvp", "nsf", "krnet"}
HAVE_A_BARE_LOOP = {"vae", "flow-matching", "torus", "fields"}
COMPILED = {"nice", "realnvp", "nsf", "krnet", "vae", "flow-matching", "torus"}


@dataclass(frozen=True)
class Cell:
    """One comparison.

    Attributes:
        subject: ``step`` (of training), ``log_prob``, ``sample``; ``em``, a pass of it;
            ``divergence`` of a velocity; ``simulate``, a flow in time; ``train``, the steps of a
            whole run, and ``train_compiled``; ``replicas``.
        family: The model, the network of ``divergence``, or what is simulated.
        device: ``cpu`` or ``cuda``.
        dim: Numbers of a sample.
        batch: Samples that are treated at once.
        layers: Couplings or blocks; None where there are none.
        terms: Of the power series of a residual flow; None for its default.
        steps: Of the solver that samples, None for its default; or of time.
    """

    subject: str
    family: str
    device: str
    dim: int
    batch: int
    layers: int | None = None
    terms: int | None = None
    steps: int | None = None

    @property
    def name(self) -> str:
        """Its parts, by colons.

        >>> Cell("step", "nsf", "cpu", 2, 256, layers=4).name
        'step:nsf:cpu:dim2:batch256:layers4'
        """
        numbers = (field.name for field in fields(self)[3:])
        given = ((name, getattr(self, name)) for name in numbers)
        parts = (f"{name}{value}" for name, value in given if value is not None)
        return ":".join((self.subject, self.family, self.device, *parts))


def all_cells(device: str) -> dict[str, Cell]:
    """All cells on a device, by name, those first that matter most."""
    return {cell.name: cell for cell in _cells(device)}


def _cells(device: str) -> Iterator[Cell]:
    for subject, batch in (("step", BATCH), ("log_prob", LARGE), ("sample", LARGE)):
        for family in FAMILIES:
            for dim in FEW_DIMS if (subject, family) in FOLLOWS_AN_ODE else DIMS:
                yield Cell(subject, family, device, dim, batch, LAYERS.get(family))
    yield Cell("step", "torus", device, 7, LARGE)
    yield Cell("log_prob", "torus", device, 7, 10_000)
    yield Cell("step", "fields", device, 32 * 32, 64)
    for family in ("realnvp", "nsf"):
        for batch in BATCHES:
            yield Cell("step", family, device, 43, batch, LAYERS[family])
        for depth in DEPTHS:
            yield Cell("step", family, device, 43, LARGE, depth)
    for terms in TERMS:
        yield Cell("step", "resflow", device, 43, LARGE, LAYERS["resflow"], terms=terms)
    for steps in (20, 200):
        yield Cell("sample", "flow-matching", device, 2, 100_000, steps=steps)
    for network, dims in (("concat_squash", (2, 43)), ("residual", (2, 43)), ("periodic", (7,))):
        for dim in dims:
            yield Cell("divergence", network, device, dim, BATCH)
    if device == "cpu":
        yield Cell("simulate", "turbulence", device, 63 * 63, 32, steps=20)
        yield Cell("em", "gmm", device, 2, 1_000_000)
        yield Cell("em", "gmm", device, 16, 200_000)
        for family in FAMILIES:
            if family != "gmm":  # whose steps are passes of EM
                yield Cell("train", family, device, 2, BATCH)
            if family in COMPILED:
                yield Cell("train_compiled", family, device, 2, BATCH)
        for family in ("realnvp", "nsf"):
            for batch, layers in ((64, 4), (BATCH, 8)):
                yield Cell("replicas", family, device, 2, batch, layers)


def contestants(cell: Cell) -> tuple[str, ...]:
    """Who takes part in a cell; the first is genlab as it is by default.

    ``genlab`` takes the plain Adam that the peers' own examples take, ``shipped`` the fused one
    that it trains with, ``compiled`` is the whole step as ``trainer.compile=true`` has it,
    ``products`` are the matrix products of a step alone, ``bare`` is what one writes by hand,
    ``reverse mode`` the trace of each row's Jacobian by autograd, in log-densities at every stage
    of the same steps, as one writes them by torchdiffeq.
    """
    match cell.subject:
        case "em":
            return "genlab", "scikit-learn"
        case "divergence":
            return "genlab", "forward mode", "reverse mode"
        case "simulate":
            return "genlab", "exponax"
        case "train" | "train_compiled":
            return "genlab train", "bare loop"
        case "replicas":
            return "together", "one by one"
    if cell.terms is not None:
        return "genlab", "direct"
    peers = [peer for peer, families in OF_PEER.items() if cell.family in families]
    if cell.subject != "step":
        return ("genlab", *peers, *["reverse mode"] * (cell.family == "torus"))
    own = ["genlab", "shipped"]
    if cell.device == "cpu" and cell.family in COMPILED:
        own.append("compiled")
    bare = ["bare"] * (cell.family in HAVE_A_BARE_LOOP)
    products = ["products"] * (cell.family in HAVE_PRODUCTS)
    return (*own, *peers, *bare, *products)
