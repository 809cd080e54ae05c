"""SAM and G-Mix: the gradient of a method where its loss is higher nearby."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dmjax.methods import base

SPLITS = ("none", "binary", "decomposed")
_TINY = 1e-12


def sharpness_aware(
    method: base.Method,
    *,
    rho: float = 0.05,
    split: str = "none",
    share: float = 0.5,
    kappa: float = 1.0,
    axis_name: str | None = None,
) -> base.Method:
  """SAM (arXiv 2010.01412); around mixup, G-Mix (arXiv 2308.03236).

      e = rho grad L(w) / |grad L(w)|,     g = grad L(w + e)

  with one norm over all parameters and the whole batch of all devices. Both
  passes see the same mixed batch. Model state, metrics and what is remembered
  are those of the first pass, at w. The split forms sort the examples by how
  much their loss rises, d_i = l_i(w + e) - l_i(w). S+ are those that rise most,
  S- the others, g+ and g- the gradients of their mean losses at w + e:

      binary:      g = g+
      decomposed:  g = g+ + kappa (g- - <g-, g+> / |g+|^2 g+)

  They are our reading of Binary and Decomposed G-Mix, of which the abstract
  alone was at hand.

  Args:
    method: Any whose loss is a function of its parameters; for a split one that
      gives `Aux.losses`.
    rho: Length of e, 0 or more.
    split: `none`, `binary` or `decomposed`.
    share: Of the batch of all devices, that is S+, in (0, 1].
    kappa: Weight of what g- adds, 0 or more.
    axis_name: Axis over which the batch is spread. None for one device.

  Returns:
    The method. `sharpness` among its metrics is the loss at w + e less that at
    w.

  Raises:
    ValueError: For options out of range; when the loss is traced, for a split
      of a method that gives no loss of each example.
  """
  _check(rho, split, share, kappa)
  everywhere = functools.partial(_mean_over, axis_name)

  def loss(params, state, batch, key):
    run = lambda params: method.loss(params, state, batch, key)
    here = jax.lax.stop_gradient(params)
    (value, aux), grads = jax.value_and_grad(run, has_aux=True)(here)
    step = perturbation(everywhere(grads), rho)
    above = lambda params: run(optax.apply_updates(params, step))
    if split == "none":
      risen = above(params)[0]
    else:
      _check_losses(split, aux.losses)
      risen, grads = of_subsets(above, here, aux.losses)
      risen = _with_gradient(risen, grads, params)
    metrics = aux.metrics | {"sharpness": (risen - value, 1.0)}
    return risen, aux._replace(metrics=metrics)

  def of_subsets(above, here, before):
    """The mean loss at w + e, and g, on every device that of all."""
    each, pull = jax.vjp(lambda params: above(params)[1].losses, here)
    chosen = _is_sensitive(each - before, share, axis_name)
    subsets = (chosen, 1 - chosen) if split == "decomposed" else (chosen,)
    grads = [everywhere(pull(_weights(s, everywhere))[0]) for s in subsets]
    together = _decomposed(*grads, kappa) if grads[1:] else grads[0]
    return jnp.mean(each), together

  backward = "two backward passes" if split == "decomposed" else "backward pass"
  note = f"sharpness: one extra forward and {backward}"
  return method._replace(
      loss=loss, note="; ".join(filter(None, (method.note, note)))
  )


def plain(method: base.Method, *, axis_name: str | None = None) -> base.Method:
  """The method as it is."""
  del axis_name
  return method


def perturbation(grads: Any, rho: float) -> Any:
  """`rho g / |g|`, with one norm over all leaves; 0 for a gradient of 0."""
  scale = rho / (optax.global_norm(grads) + _TINY)
  return jax.tree.map(lambda g: (scale * g).astype(g.dtype), grads)


def _check(rho, split, share, kappa):
  for name, value in (("rho", rho), ("kappa", kappa)):
    if not 0 <= value < math.inf:
      raise ValueError(f"{name} must be >= 0 and finite, got {value}")
  if split not in SPLITS:
    raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
  if not 0 < share <= 1:
    raise ValueError(f"share must lie in (0, 1], got {share}")


def _check_losses(split, losses):
  if losses is None:
    raise ValueError(
        f"split={split!r} needs a method that gives the loss of each example,"
        " such as supervised, regmixup or mixupe; take split='none'"
    )


def _mean_over(axis_name, tree):
  return jax.lax.pmean(tree, axis_name) if axis_name else tree


def _is_sensitive(rises, share, axis_name):
  """1 for the share of the batch of all devices that rises most, else 0."""
  every = rises
  if axis_name:
    every = jax.lax.all_gather(rises, axis_name, tiled=True)
  count = max(1, round(share * every.size))
  return (rises >= jnp.sort(every)[-count]).astype(rises.dtype)


def _weights(chosen, everywhere):
  """Of the chosen: their mean over all devices is a mean over devices."""
  part = everywhere(jnp.mean(chosen))
  return chosen / (chosen.size * jnp.maximum(part, _TINY))


def _decomposed(plus, minus, kappa):
  """`g+ + kappa (g- less what it has of the direction of g+)`."""
  along = optax.tree.vdot(minus, plus) / (optax.tree.vdot(plus, plus) + _TINY)
  return jax.tree.map(lambda p, m: p + kappa * (m - along * p), plus, minus)


def _with_gradient(value, grads, params):
  """A scalar that is `value`, and whose gradient is `grads`."""
  moved = optax.tree.sub(params, jax.lax.stop_gradient(params))
  return value + optax.tree.vdot(grads, moved)
