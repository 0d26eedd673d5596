"""Solve a sharp peak in scimba 1.4, on points that genlab's das chooses.

pip install scimba
python examples/peak_scimba.py
"""

import torch
from scimba_torch.approximation_space.nn_space import NNxSpace
from scimba_torch.domain.meshless_domain.domain_2d import Square2D
from scimba_torch.integration.monte_carlo import DomainSampler, TensorizedSampler
from scimba_torch.integration.monte_carlo_parameters import UniformParametricSampler
from scimba_torch.neural_nets.coordinates_based_nets.mlp import GenericMLP
from scimba_torch.numerical_solvers.elliptic_pde.pinns import PinnsElliptic
from scimba_torch.physical_models.elliptic_pde.laplacians import Laplacian2DDirichletStrongForm
from scimba_torch.utils.scimba_tensors import LabelTensor

import genlab
from genlab.adapters import PointSchedule


class AdaptivePinns(PinnsElliptic):
    def __init__(self, pde, schedule, **settings):
        super().__init__(pde, **settings)
        self.schedule = schedule

    def sample_all_vars(self, **settings):
        if self.schedule.points is None:
            self.schedule.begin(self.squares)
        else:
            self.schedule.step(self.squares)
        return self.labelled(self.schedule.points.x)

    def assembly_post_sampling(self, data, **settings):
        sides = super().assembly_post_sampling(data, **settings)
        weights = self.schedule.weights[:, None]
        return tuple(tuple(weights * part for part in side) for side in sides)

    def labelled(self, x):
        return LabelTensor(x.clone().requires_grad_()), LabelTensor(torch.ones(len(x), 1))

    def squares(self, x):
        (left,), (right,) = super().assembly_post_sampling(self.labelled(x))
        return (left - right).detach().square().sum(1)


def source(x, mu):
    s = (x.x - 0.5).square().sum(1, keepdim=True)
    return (400 - 4e4 * s) * torch.exp(-100 * s)


square = Square2D([(-1.0, 1.0), (-1.0, 1.0)], is_main_domain=True)
uniform = TensorizedSampler((DomainSampler(square), UniformParametricSampler([(1.0, 1.0)])))
space = NNxSpace(
    1,
    1,
    GenericMLP,
    square,
    uniform,
    layer_sizes=[64] * 3,
    post_processing=lambda v, x, mu: (1 - x.x.square()).prod(1, keepdim=True) * v,
)
domain = genlab.pde.Box([(-1, 1)] * 2)
das = genlab.samplers.DAS(domain=domain, n_points=500, model=genlab.models.GMM(2))
pinns = AdaptivePinns(Laplacian2DDirichletStrongForm(space, f=source), PointSchedule(das))
pinns.solve(epochs=2000)
