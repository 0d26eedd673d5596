"""Solve a sharp peak in jinns 1.10, on points that genlab's das chooses.

pip install jinns
python examples/peak_jinns.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jinns
import numpy as np
import optax
import torch

import genlab
from genlab.adapters import PointSchedule


class Peak(jinns.loss.PDEStatio):
    def equation(self, x, u, params):
        x, weight = x[:2], x[2:]  # which comes along as another coordinate
        s = jnp.sum((x - 0.5) ** 2)
        f = (400 - 4e4 * s) * jnp.exp(-100 * s)
        return weight * (-jinns.loss.laplacian_rev(x, u, params) - f)


layers = ((eqx.nn.Linear, 2, 64), (jax.nn.tanh,), (eqx.nn.Linear, 64, 1))
u, weights = jinns.nn.PINN_MLP.create(
    key=jax.random.PRNGKey(0),
    eqx_list=layers,
    eq_type="PDEStatio",
    output_transform=lambda x, v, params: jnp.prod(1 - x**2) * v,
)
params = jinns.parameters.Params(nn_params=weights, eq_params={})
one = jinns.loss.LossWeightsPDEStatio(dyn_loss=1.0)
loss = jinns.loss.LossPDEStatio(u=u, dynamic_loss=Peak(), loss_weights=one, params=params)
square = {"dim": 2, "min_pts": (-1.0, -1.0), "max_pts": (1.0, 1.0)}
data = jinns.data.CubicMeshPDEStatio(key=jax.random.PRNGKey(1), n=500, **square)
domain = genlab.pde.Box([(-1, 1)] * 2)
das = genlab.samplers.DAS(domain=domain, n_points=500, model=genlab.models.GMM(2))
schedule = PointSchedule(das, refresh=1, redraw=None)  # here a step is a whole solve
adam, state = optax.adam(2e-3), None


def squares(x):
    x = jnp.concatenate([jnp.asarray(x.numpy()), jnp.ones((len(x), 1))], 1)
    residual = jax.vmap(Peak().equation, (0, None, None))(x, u, params)
    return torch.from_numpy(np.square(residual).sum(1))


schedule.begin(squares)
for _ in range(10):
    x = torch.cat((schedule.points.x, schedule.weights[:, None]), 1).numpy()
    data = eqx.tree_at(lambda data: data.omega, data, jnp.asarray(x))
    params, _, _, data, loss, state, *_ = jinns.solve(
        n_iter=300, init_params=params, data=data, loss=loss, optimizer=adam, opt_state=state
    )
    schedule.step(squares)
