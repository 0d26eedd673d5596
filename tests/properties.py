"""What the property suite walks over: a layer or a family joins it by one line.

Each entry makes a fresh object from the number of coordinates and the width of the context.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch

from genlab import bijections as b
from genlab import densities as d
from genlab import models as m
from genlab import nn
from genlab.config import config_dir
from genlab.densities.density import shape_of
from genlab.models.spline_layers import SplineLayers
from genlab.nn import MLP, LipschitzMLP
from genlab.nn.conv import ConvEncoder

__all__ = [
    "AT_LEAST_TWO",
    "BIJECTIONS",
    "CIRCULAR",
    "DOMAINS",
    "ESTIMATES",
    "FAMILIES",
    "FIELD_MODELS",
    "FIELD_SHAPE",
    "IMAGE",
    "IMAGES",
    "IMAGE_MODELS",
    "IMAGE_SHAPE",
    "MODELS",
    "SHAPES",
    "disturb",
    "jacobian",
    "spoilt",
]

# What can stand behind `model=`; each has an entry of its name in MODELS.
FAMILIES = sorted(path.stem for path in (config_dir() / "model").glob("*.yaml"))

Module = TypeVar("Module", bound=torch.nn.Module)


def coupling(scalar_map: b.ScalarMap, dim: int, context_dim: int, *, flip: bool) -> b.Coupling:
    split = b.HalfSplit(dim, flip=flip)
    width = split.active * scalar_map.n_parameters
    network = MLP(
        split.passive,
        width,
        hidden=[16],
        activation="tanh",
        context_dim=context_dim,
        zero_last=True,
    )
    return b.Coupling(split, scalar_map, network)


def splines(dim: int, context_dim: int, *, angles: int = 0) -> SplineLayers:
    """Layers of splines; the first coordinates are angles."""
    return SplineLayers(
        is_circular=tuple(i < angles for i in range(dim)),
        bins=4,
        bound=3.0,
        hidden=[16],
        activation="tanh",
        context_dim=context_dim,
    )


def spline_couplings(
    dim: int, context_dim: int, *, angles: int = 0, free_half: bool = True, flip: bool = False
) -> b.Bijection:
    """The first of alternating spline couplings, or the second."""
    return splines(dim, context_dim, angles=angles).couplings(2, free_half=free_half)[flip]


def residual(dim: int, context_dim: int, **options: Any) -> b.ResidualBlocks:
    settings = {"stack": 1, "activation": "sine", "actnorm": False, "solver": "anderson"} | options
    network = LipschitzMLP(
        settings["stack"],
        dim,
        hidden=[16, 12],
        activation=settings["activation"],
        bound=0.9,
        context_dim=context_dim,
    )
    how = b.ResidualOptions("exact", 2, 20, "neumann", settings["solver"], 1e-12)
    return b.ResidualBlocks(network, how, actnorm=settings["actnorm"])


# In single precision, as fine as the type resolves.
FINE = b.AdaptiveSolver(method="dopri8", rtol=1e-9, atol=1e-9)
# For whole models: 1e-6 close to it where velocities are as small as here, in a tenth of the time.
STEPS = b.FixedStepSolver(method="rk4", steps=24)
SQUASH = partial(nn.ConcatSquashMLP, hidden=[8, 8], activation="tanh", frequencies=1)
RESIDUAL = partial(
    nn.ResidualMLP, width=8, blocks=2, activation="silu", waves=3, wave_scale=1.0, frequencies=1
)


def ode(velocity: nn.Velocity) -> b.ODE:
    return b.ODE(velocity, solver=FINE, evaluation=FINE, divergence="exact", gradient="backprop")


BIJECTIONS: dict[str, Callable[[int, int], b.Bijection]] = {
    "actnorm": lambda dim, _: b.ActNorm(dim),
    "scaling": lambda dim, _: b.Scaling(dim),
    "standardise": lambda dim, _: b.Standardise((dim,)),
    "permutation": lambda dim, _: b.Permutation.random(dim),
    "lu_linear": lambda dim, _: b.LULinear(dim),
    "coupling-shift": lambda dim, c: coupling(b.Shift(), dim, c, flip=False),
    "coupling-affine": lambda dim, c: coupling(b.Affine(), dim, c, flip=False),
    "coupling-affine-flip": lambda dim, c: coupling(b.Affine(), dim, c, flip=True),
    "coupling-bounded-affine": lambda dim, c: coupling(
        b.BoundedAffine(dim - dim // 2, alpha=0.6), dim, c, flip=False
    ),
    "alternating": lambda dim, c: b.AlternatingCouplings(
        coupling(b.Affine(), dim, c, flip=flip) for flip in (False, True, False)
    ),
    "scaled_couplings": lambda dim, c: b.ScaledCouplings(
        coupling(b.Affine(), dim, c, flip=flip) for flip in (False, True, False)
    ),
    "freeze": lambda dim, _: b.Freeze(b.LULinear(dim - dim // 2), dim - dim // 2),
    "cdf_layer": lambda dim, _: b.CDFLayer(dim, bins=32),
    "unit_box": lambda dim, _: b.UnitBox([-1.0, 3.0], dim),
    "logit": lambda *_: b.Logit(),
    "probit": lambda *_: b.Probit(),
    "box-logit": lambda dim, _: b.Logit(b.UnitBox([-1.0, 3.0], dim)),
    "box-probit": lambda dim, _: b.Probit(b.UnitBox([-1.0, 3.0], dim)),
    "half-line": lambda dim, _: b.HalfLine([-1.0] * dim),
    "half-line-log": lambda dim, _: b.HalfLine([3.0] * dim, upward=[False] * dim, tail="log"),
    "coordinates": lambda dim, _: b.OnCoordinates(b.HalfLine([-1.0]), [dim // 2], dim),
    "spline": lambda dim, c: splines(dim, c).elementwise(),
    "coupling-spline": lambda dim, c: spline_couplings(dim, c, free_half=False),
    "half-free": lambda dim, c: spline_couplings(dim, c),
    "half-free-flip": lambda dim, c: spline_couplings(dim, c, flip=True),
    "autoregressive": lambda dim, c: splines(dim, c).autoregressive(flip=False),
    "autoregressive-flip": lambda dim, c: splines(dim, c).autoregressive(flip=True),
    "circular": lambda dim, c: splines(dim, c, angles=dim).elementwise(),
    "circular-coupling": lambda dim, c: spline_couplings(dim, c, angles=dim, free_half=False),
    "circular-half-free": lambda dim, c: spline_couplings(dim, c, angles=dim, flip=True),
    "cylinder": lambda dim, c: spline_couplings(dim, c, angles=1),
    "cylinder-autoregressive": lambda dim, c: splines(dim, c, angles=1).autoregressive(flip=True),
    "residual": residual,
    "residual-plain": partial(residual, activation="lipswish", solver="plain"),
    "residual-blocks": partial(residual, stack=3, actnorm=True),
    "compose": lambda dim, c: b.Compose(
        [b.ActNorm(dim), coupling(b.Affine(), dim, c, flip=False), b.LULinear(dim)]
    ),
    "inverse": lambda dim, _: b.Inverse(b.LULinear(dim)),
    "ode-concat_squash": lambda dim, c: ode(SQUASH((dim,), context_dim=c)),
    "ode-residual_mlp": lambda dim, c: ode(RESIDUAL((dim,), context_dim=c)),
}


def image_coupling(split: b.HalfSplit, context_dim: int) -> b.Coupling:
    network = nn.ConvNet(
        split.passive,
        2 * split.active,
        hidden=[8, 8],
        activation="tanh",
        context_dim=context_dim,
        zero_last=True,
    )
    return b.Coupling(split, b.Affine(), network)


def conv_residual(
    shape: b.ImageShape, context_dim: int, padding: nn.Padding = "zeros"
) -> b.ResidualBlocks:
    network = nn.LipschitzConvNet(
        2,
        shape,
        hidden=[4],
        kernel_size=3,
        activation="sine",
        bound=0.9,
        padding=padding,
        context_dim=context_dim,
    )
    how = b.ResidualOptions("exact", 2, 20, "neumann", "anderson", 1e-12)
    return b.ResidualBlocks(network, how, actnorm=True)


# Bijections of images, by the width of the context.
IMAGE, SCALED = (4, 2, 2), (1, 4, 4)
# Shapes of samples that are others than IMAGE.
SHAPES = {
    "image-scales": SCALED,
    "spectral": (2, 5, 5),
    "spectral-even": (1, 4, 4),
    "periodic-convolution": (2, 5, 5),
    "periodic-convolution-even": (1, 4, 4),
    "hartley": (2, 5, 5),
    "periodic-residual": (1, 5, 5),
}
IMAGES: dict[str, Callable[[int], b.Bijection]] = {
    "image-actnorm": lambda _: b.ActNorm(4),
    "image-squeeze": lambda _: b.Squeeze(),
    "image-flatten": lambda _: b.Flatten(IMAGE),
    "spectral": lambda _: b.SpectralStandardise(torch.ones(2, 5, 5)),
    "spectral-even": lambda _: b.SpectralStandardise(torch.ones(1, 4, 4), alike="modes"),
    "periodic-convolution": lambda _: b.PeriodicConvolution((2, 5, 5), spread=3.0),
    "periodic-convolution-even": lambda _: b.PeriodicConvolution((1, 4, 4)),
    "hartley": lambda _: b.Hartley((2, 5, 5)),
    "periodic-residual": partial(conv_residual, (1, 5, 5), padding="circular"),
    "image-lu": lambda _: b.LUConv(4),
    "image-channels": lambda c: image_coupling(b.HalfSplit(4), c),
    "image-checkerboard": lambda c: image_coupling(b.CheckerboardSplit(4), c),
    "image-checkerboard-flip": lambda c: image_coupling(b.CheckerboardSplit(4, flip=True), c),
    "image-residual": partial(conv_residual, IMAGE),
    "image-scales": lambda c: b.Compose(
        b.multi_scale(
            SCALED,
            2,
            lambda shape: [
                b.ActNorm(shape[0]),
                image_coupling(b.CheckerboardSplit(shape[0]), c),
                image_coupling(b.HalfSplit(shape[0], flip=True), c),
            ],
        )
    ),
}
BIJECTIONS |= {
    name: lambda _, c, make=make: make(c)  # type: ignore[misc]
    for name, make in IMAGES.items()
}

# Bijections of angles, which are only defined up to full turns.
CIRCULAR = {name for name in BIJECTIONS if name.startswith(("circular", "cylinder"))}
# The interval that each coordinate of x lies in, where it is not the line.
DOMAINS = {"unit_box": (-1.0, 3.0), "logit": (0.0, 1.0), "probit": (0.0, 1.0)}
DOMAINS |= dict.fromkeys(
    ("box-logit", "box-probit", "half-line", "half-line-log", "coordinates"), (-1.0, 3.0)
)

Event = int | tuple[int, ...]
SMALL: dict[str, Any] = {"layers": 4, "hidden": [16, 16], "activation": "tanh"}
SOLVERS = {"solver": STEPS, "evaluation": STEPS}


def small(family: Callable[..., d.Density], **own: Any) -> Callable[..., Any]:
    """A family in small, which keywords make into another one of it."""
    return lambda dim, **options: family(dim, **{**own, **options})


def vae(dim: Event, *, scale: Any = "network", **options: Any) -> m.VAE:
    observation = d.GaussianObservation(shape_of(dim), scale=scale, min_scale=1.0)
    small = {"hidden": [16, 16], "activation": "tanh", "importance_samples": 32}
    model = m.VAE(dim, **{"observation": observation, **small, **options})
    # An encoder that answers with a little more than the prior: the importance weights of an
    # untrained one that is narrower have no variance, and there would be no estimate to test.
    last = model.encoder.last if isinstance(model.encoder, ConvEncoder) else model.encoder[-1]
    return start_wide(model, last)


def start_wide(model: m.VAE, last: Any) -> m.VAE:
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    with torch.no_grad():
        last.bias[model.latent_dim : 2 * model.latent_dim] = 0.7
    return model


def of_angles(family: Callable[..., d.Density], **own: Any) -> Callable[..., Any]:
    """A family whose first coordinates are angles, three at most."""
    return lambda dim, **options: family(dim, circular=range(min(dim, 3)), **{**own, **options})


def angular_vae(dim: int, **options: Any) -> m.VAE:
    observation = d.VonMises(shape_of(dim), circular=range(min(dim, 3)), min_scale=0.7)
    small = {"hidden": [16, 16], "activation": "tanh", "importance_samples": 32}
    model = m.VAE(dim, circular=range(min(dim, 3)), observation=observation, **{**small, **options})
    return start_wide(model, model.encoder.network[-1])


nice = small(m.NICE, **SMALL)
realnvp = small(m.RealNVP, **SMALL)
krnet = small(m.KRNet, **SMALL)
nsf = small(m.neural_spline_flow, **SMALL | {"layers": 2}, bins=4, bound=3.0)
resflow = small(m.ResFlow, **SMALL | {"activation": "sine"}, log_det="exact", tolerance=1e-12)
gmm = small(m.GMM, components=5, max_components=8, rank=2, restarts=1, tolerance=1e-5)
cnf = small(m.CNF, network=SQUASH, **SOLVERS)
flow_matching = small(m.FlowMatching, network=RESIDUAL, **SOLVERS)

MODELS: dict[str, Callable[..., d.Density]] = {
    "nice": partial(nice, activation="relu"),
    "nice-unscaled": partial(nice, scaling=False),
    "realnvp": partial(realnvp, activation="relu"),
    "realnvp-actnorm": partial(realnvp, actnorm=True),
    "realnvp-lu": partial(realnvp, actnorm=True, mixing="lu"),
    "realnvp-permutation": partial(realnvp, mixing="permutation"),
    "krnet": krnet,
    "krnet-plain": partial(krnet, rotation=False, bins=None, base="logistic", activation="relu"),
    "krnet-box": partial(krnet, bounded=[-10.0, 12.0]),
    "krnet-box-normal": partial(krnet, bounded=[-10.0, 12.0], base="normal"),
    "nsf": partial(nsf, activation="relu"),
    "nsf-half": partial(nsf, free_half=False),
    "nsf-autoregressive": partial(nsf, variant="autoregressive"),
    "nsf-lu": partial(nsf, mixing="lu"),
    "nsf-permutation": partial(nsf, mixing="permutation"),
    "resflow": resflow,
    "resflow-lipswish": partial(resflow, activation="lipswish", actnorm=False, solver="plain"),
    "resflow-roulette": partial(resflow, log_det="russian_roulette", lipschitz=0.9),
    "resflow-series": partial(resflow, log_det="power_series", gradient="direct", lipschitz=0.9),
    "vae": vae,
    "vae-diag": partial(vae, covariance="diag", scale="dimension", latent_dim=3),
    "gmm": gmm,
    "gmm-tied": partial(gmm, covariance="tied"),
    "gmm-diag": partial(gmm, covariance="diag", start="random"),
    "gmm-low-rank": partial(gmm, covariance="low_rank", rank=1),
    "gmm-spherical": partial(gmm, covariance="spherical"),
    "cnf": cnf,
    "flow-matching": flow_matching,
    "torus-nsf": of_angles(nsf),
    "torus-nsf-half": of_angles(nsf, free_half=False),
    "torus-nsf-autoregressive": of_angles(nsf, variant="autoregressive"),
    "torus-nice": of_angles(nice),
    "torus-vae": angular_vae,
    "torus-gmm": of_angles(gmm),
    "torus-gmm-tied": of_angles(gmm, covariance="tied"),
    "torus-gmm-diag": of_angles(gmm, covariance="diag"),
    "torus-cnf": of_angles(cnf),
    "torus-flow-matching": of_angles(flow_matching),
}

UNET = partial(
    nn.UNet, channels=[4, 4], blocks=1, embedding=8, frequencies=2, condition_shape=()
)  # fmt: skip
COARSE = b.FixedStepSolver(method="rk4", steps=4)
SPLINES: dict[str, Any] = {"free_half": False, "layers": 3}

IMAGE_SHAPE = (1, 4, 4)
IMAGE_MODELS: dict[str, Callable[..., d.Density]] = {
    "nice": nice,
    "krnet": krnet,
    "realnvp-flat": partial(realnvp, actnorm=True, mixing="lu"),
    "realnvp": partial(realnvp, scales=2, actnorm=True),
    "realnvp-lu": partial(realnvp, scales=2, mixing="lu"),
    "realnvp-permutation": partial(realnvp, scales=1, mixing="permutation"),
    "nsf-flat": nsf,
    "nsf": partial(nsf, scales=2, actnorm=True, **SPLINES),
    "resflow": partial(resflow, scales=2, layers=1, hidden=[4]),
    "resflow-flat": partial(resflow, layers=2),
    "gmm": partial(gmm, covariance="low_rank"),
    "vae": partial(vae, latent_dim=2),
    "cnf": partial(cnf, network=UNET, solver=COARSE, evaluation=COARSE),
    "flow-matching": partial(flow_matching, network=UNET, solver=COARSE, evaluation=COARSE),
}

# Fields of an odd side, and what families make of them.
FIELD_SHAPE = (1, 5, 5)
PERIODIC: dict[str, Any] = {"network": "conv", "padding": "circular"}
SPECTRAL = partial(nn.SpectralNet, width=3, blocks=2, embedding=8, frequencies=2)
FIELD_MODELS: dict[str, Callable[..., d.Density]] = {
    "nice": partial(nice, **PERIODIC),
    "realnvp": partial(realnvp, mixing="convolution", actnorm=True, **PERIODIC),
    "krnet": partial(krnet, rotation=False, **PERIODIC),
    "nsf": partial(nsf, mixing="convolution", **PERIODIC, **SPLINES),
    "nsf-half-free": partial(nsf, **PERIODIC),
    "resflow": partial(resflow, layers=2, hidden=[4], **PERIODIC),
    "gmm": partial(gmm, covariance="low_rank", basis="fourier"),
    "vae": partial(vae, latent_dim=2, padding="circular"),
    "cnf": partial(cnf, network=SPECTRAL, solver=COARSE, evaluation=COARSE),
    "cnf-active-scalar": partial(cnf, network=nn.ActiveScalar, solver=COARSE, evaluation=COARSE),
    "flow-matching": partial(flow_matching, network=SPECTRAL, solver=COARSE, evaluation=COARSE),
    "flow-matching-conv": partial(
        flow_matching,
        network=partial(nn.ResidualConvNet, width=4, blocks=1, embedding=8, frequencies=2),
        solver=COARSE,
        evaluation=COARSE,
    ),
}

# Conditioners need a coordinate that passes and one that is mapped.
PARTS = ("coupling", "half-free", "alternating", "compose", "cylinder", "nice", "realnvp")
AT_LEAST_TWO = {name for name in (*BIJECTIONS, *MODELS) if any(part in name for part in PARTS)}

# Families whose log-density is a random estimate: repeatable, but not that of a density.
ESTIMATES = {"resflow-roulette", "resflow-series"}


def disturb(module: Module, scale: float = 0.2) -> Module:
    """Move all parameters away from their start, which is often the identity."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return module


def spoilt(module: Module) -> Module:
    """The module with its whole state overwritten, as memory is that nobody has filled."""
    for value in module.state_dict().values():
        value.fill_(1)
    return module


def jacobian(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The Jacobian of each row's image, by one gradient an output: no sample sees another."""
    x = x.detach().requires_grad_()
    outputs = f(x).flatten(1).sum(0)
    rows = [torch.autograd.grad(output, x, retain_graph=True)[0] for output in outputs]
    return torch.stack(rows, 1).flatten(2).detach()
