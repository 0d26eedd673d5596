"""Solve a sharp peak in DeepXDE, on points that genlab's das chooses.

    pip install 'genlab[deepxde]'
    DDE_BACKEND=pytorch python examples/peak_deepxde.py

Half a minute; the error printed is relative, in L2.
"""

import deepxde as dde  # with DDE_BACKEND=pytorch
import torch

import genlab
from genlab.adapters.deepxde import AdaptiveAnchors, domain_of


def residual(x, u):
    s = (x - 0.5).square().sum(1, keepdim=True)
    f = (400 - 4e4 * s) * torch.exp(-100 * s)
    return -dde.grad.hessian(u, x, i=0, j=0) - dde.grad.hessian(u, x, i=1, j=1) - f


square = dde.geometry.Rectangle([-1, -1], [1, 1])
network = dde.nn.FNN([2, 64, 64, 64, 1], "tanh", "Glorot normal")
network.apply_output_transform(lambda x, u: (1 - x.square()).prod(1, keepdim=True) * u)
model = dde.Model(dde.data.PDE(square, residual, [], num_domain=500), network)
model.compile("adam", lr=5e-3, decay=("cosine", 2000, 0))

das = genlab.samplers.DAS(domain=domain_of(square), n_points=500, model=genlab.models.GMM(2))
model.train(iterations=2000, callbacks=[AdaptiveAnchors(das, refresh=300)])

x = domain_of(square).sample(10_000, generator=None)
error = torch.from_numpy(model.predict(x.numpy())) - genlab.pde.Peak(A=100).exact(x)[:, None]
print(f"relative error {error.norm() / genlab.pde.Peak(A=100).exact(x).norm():.3f}")
