"""The tables of the league, by name: toys, small and large tables, turbulence, angles."""

from __future__ import annotations

from benchmarks.table import Column, Row, Table, lasting

__all__ = ["FAMILIES", "SMALL", "TABLES", "families"]

FAMILIES = (
    "gmm",
    "vae",
    "nice",
    "realnvp",
    "krnet",
    "resflow",
    "nsf",
    "cnf",
    "flow-matching",
)
TOYS = (
    "moons",
    "circles",
    "rings",
    "eight_gaussians",
    "checkerboard",
    "pinwheel",
    "swissroll",
    "two_spirals",
)
SMALL = ("wine", "diabetes", "breast_cancer")
"""UCI's that scikit-learn has, and which need no download."""
LARGE = ("power", "gas", "hepmass", "miniboone")
"""Of the MAF paper, from the folder `data.root`."""


def families(*words: str) -> dict[str, Row]:
    """A row for each family.

    Args:
        words: What all of them are told.
    """
    return {family: Row((f"model={family}", *words)) for family in FAMILIES}


def small_table(name: str) -> tuple[str, ...]:
    """Words for a set of scikit-learn's."""
    # Of a hundred rows or two, the best weights come soon, and go.
    return "data=table", f"data.path={{tables}}/{name}.npy", "trainer.val_every=50"


RESIDUES = ("general", "glycine", "proline", "pre_proline")
SECONDS = {"gmm": 300, "vae": 110, "nice": 60, "nsf": 120, "cnf": 300, "flow-matching": 190}
"""What each family that knows angles is given to learn a density of two; gmm ends by itself."""
OWN = {
    # EM passes over the same samples again and again: so many leave .001 nats to chance.
    "gmm": ("data.train_size=300000",),
    # A narrow density makes the flow stiff in the end, and a larger rate then loses it.
    "cnf": ("optimizer.lr=2e-3",),
}
"""What else a family is told for them."""


def of_rna(family: str) -> Row:
    """Five minutes on the first split at most, of which the weights count that validate best."""
    _, clock = lasting(300)
    ended = ("trainer.monitor=val/nll", "trainer.patience=10")
    return Row((f"model={family}", "data=rna_torsions", *ended, *clock), (0,))


def of_residues(family: str) -> Row:
    """The seconds that a family is given for each kind of residue."""
    _, clock = lasting(SECONDS[family])
    return Row((f"model={family}", "data=ramachandran", *OWN.get(family, ()), *clock))


BY_CONVOLUTIONS = (
    *("model=flow-matching", "network=residual_conv", "model.network.width=32"),
    *("model.network.blocks=3", "data.train_size=10000", "data.batch_size=64", "optimizer.lr=4e-3"),
)
"""In a quarter of an hour they learn more of turbulence than a spectral network, of more fields."""

STATISTICS = {
    "largest scales": "test/retention/energetic",
    "middle": "test/retention/inertial",
    "smallest": "test/retention/dissipative",
    "increments": "test/increments",
    "log-spectral distance": "test/log_spectral_distance",
}
"""Of stationary turbulence, whose density nobody knows."""

TABLES = {
    "toys": Table(
        "Nats above the optimum (`test/kl`); those of vae are an upper bound.",
        families(),
        {toy: (f"data={toy}",) for toy in TOYS},
        {toy: Column(toy, "test/kl") for toy in TOYS},
        seconds=60,
    ),
    "uci": Table(
        "Nats a row (`test/nll`); those of vae are an upper bound.",
        families(),
        {name: small_table(name) for name in SMALL} | {name: (f"data={name}",) for name in LARGE},
        {name: Column(name, "test/nll") for name in (*SMALL, *LARGE)},
        seconds=60,
    ),
    "turbulence": Table(
        "Decaying turbulence of 17 x 17 points, a quarter of an hour of fitting each.",
        families("experiment=turbulence_league")
        | {
            "flow-matching": Row(("experiment=turbulence_league", *BY_CONVOLUTIONS)),
            "cnf, active_scalar": Row(("experiment=turbulence",)),
        },
        {"decaying": ()},
        {
            "nats above the optimum": Column("decaying", "test/kl"),
            "negentropy captured": Column("decaying", "test/negentropy_captured"),
            "worst shell": Column("decaying", "test/spectrum"),
            "flatness": Column("decaying", "test/flatness"),
            "worst flux": Column("decaying", "test/enstrophy_flux"),
        },
        seeds=(0,),
        seconds=900,
    ),
    "kolmogorov": Table(
        "Forced turbulence of 32 x 32 points: power of generated over that of true fields in three "
        "bands, and distances as multiples of those of two true sets.",
        {"flow-matching": Row(("experiment=kolmogorov",))},
        {"forced": ()},
        {title: Column("forced", metric) for title, metric in STATISTICS.items()},
        seeds=(0,),
    ),
    "rna": Table(
        "RNA's seven torsion angles, nats a residue (`test/nll`): rows or whole structures held "
        "out, five splits or the first; that of vae is an upper bound.",
        {"flow-matching": Row(("experiment=rna",)), "gmm": Row(("experiment=rna_gmm",))}
        | {family: of_rna(family) for family in ("nsf", "cnf", "vae", "nice")},
        {split: (f"data.split_by={split}",) for split in ("row", "entry")},
        {
            "rows": Column("row", "test/nll"),
            "above gmm's": Column("row", "test/nll", minus="gmm"),
            "structures": Column("entry", "test/nll"),
            "above gmm's of these": Column("entry", "test/nll", minus="gmm"),
        },
        seeds=(0, 1, 2, 3, 4),
        monitor="val/nll",
    ),
    "ramachandran": Table(
        "Nats above the optimum of (phi, psi) in four kinds of residues (`test/kl`) by quadrature, "
        "or ± the standard error of a mean over samples; those of vae are an upper bound.",
        {family: of_residues(family) for family in SECONDS},
        {residue: (f"data.residue={residue}",) for residue in RESIDUES},
        {residue: Column(residue, "test/kl") for residue in RESIDUES},
        seeds=(0,),
    ),
}
"""All that the league can run, by name."""
