"""Solve a sharp peak in PINA, on points that genlab's das chooses.

    pip install 'genlab[pina]'
    python examples/peak_pina.py

Half a minute; the error printed is relative, in L2.
"""

import torch
from pina import Condition, Trainer
from pina.domain import CartesianDomain
from pina.equation import Equation
from pina.operator import laplacian
from pina.optim import TorchOptimizer
from pina.problem import SpatialProblem
from pina.solver import PhysicsInformedSingleModelSolver

import genlab
from genlab.adapters.pina import AdaptiveRefinement, domain_of

square = CartesianDomain({"x": [-1, 1], "y": [-1, 1]})


def residual(x, u):
    s = (x.as_subclass(torch.Tensor) - 0.5).square().sum(1, keepdim=True)
    return -laplacian(u, x) - (400 - 4e4 * s) * torch.exp(-100 * s)


class Peak(SpatialProblem):
    output_variables = ["u"]
    spatial_domain = square
    domains = {"inside": square}
    conditions = {"pde": Condition(domain="inside", equation=Equation(residual))}


class Network(torch.nn.Sequential):
    def forward(self, x):
        x = x.as_subclass(torch.Tensor)
        return (1 - x.square()).prod(1, keepdim=True) * super().forward(x)


problem = Peak()
problem.discretise_domain(500)
layers = [torch.nn.Linear(64, 64), torch.nn.Tanh()] * 2
network = Network(torch.nn.Linear(2, 64), torch.nn.Tanh(), *layers, torch.nn.Linear(64, 1))
adam = TorchOptimizer(torch.optim.Adam, lr=5e-3)
solver = PhysicsInformedSingleModelSolver(problem, network, optimizer=adam)

das = genlab.samplers.DAS(domain=domain_of(square), n_points=500, model=genlab.models.GMM(2))
refinement = AdaptiveRefinement(das, condition="pde", refresh=300)
Trainer(solver, max_epochs=2000, accelerator="cpu", callbacks=[refinement]).train()

x = domain_of(square).sample(10_000, generator=None)
exact = genlab.pde.Peak(A=100).exact(x)
with torch.no_grad():
    print(f"relative error {(network(x)[:, 0] - exact).norm() / exact.norm():.3f}")
