"""The compiled steps: one optimizer update, one batch of evaluation."""

from collections.abc import Callable
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dmjax import randomness
from dmjax.methods import base
from dmjax.parallel import AXIS


def create_state(
    method: base.Method,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    batch: base.Batch,
    variables: Any = None,
) -> base.TrainState:
  """The state before the first step, on one device.

  Args:
    method: What will be trained.
    optimizer: How.
    key: The root key of the run.
    batch: One batch, or a row of one.
    variables: Of the network, to start from; drawn from `key` where None.

  Returns:
    The state.
  """

  def create(key, variables):
    state = method.init(key, batch, variables)
    return state.replace(opt_state=optimizer.init(state.params))

  return jax.jit(create)(randomness.for_purpose(key, "init"), variables)


def shapes_of_state(
    method: base.Method, optimizer: optax.GradientTransformation,
    batch: base.Batch,
) -> base.TrainState:
  """What `create_state` returns, as shapes; nothing is computed."""
  create = functools.partial(create_state, method, optimizer, batch=batch)
  return jax.eval_shape(create, jax.random.key(0))


def make_train_step(
    method: base.Method,
    optimizer: optax.GradientTransformation,
    prepare: Callable[..., base.Batch],
    *,
    schedule: optax.Schedule,
    steps: int = 1,
):
  """Builds `step(state, batch, shared) -> (state, metrics)` for one device.

  All randomness comes from `shared["seed"]`, folded with the step and the
  device, so a checkpoint needs no keys: seed and step are enough. The arrays of
  the data pipeline are `shared["data"]`.

  Args:
    method: What is optimised.
    optimizer: How.
    prepare: `prepare(key, batch, shared) -> batch`, the device side of the
      data pipeline.
    schedule: The learning rate, reported among the metrics.
    steps: Optimizer steps in one call. Leaves of `batch` are `[steps, B, ...]`.

  Returns:
    The step; metrics are `(sum, count)` pairs of shape `[steps]`.
  """

  def one(state, batch, shared):
    key = randomness.for_purpose(jax.random.key(shared["seed"]), "step")
    key = jax.random.fold_in(key, state.step)
    key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
    data_key, loss_key = jax.random.split(key)
    batch = prepare(data_key, batch, shared["data"])
    grads, aux = jax.grad(method.loss, has_aux=True)(
        state.params, state, batch, loss_key
    )
    grads, model_state = jax.lax.pmean((grads, aux.model_state), AXIS)
    metrics = jax.lax.psum(aux.metrics, AXIS)
    # All rows of the global batch, in order: what is remembered stays equal.
    carried = jax.lax.all_gather(aux.carried, AXIS, tiled=True)
    metrics["grad_norm"] = (optax.global_norm(grads), 1.0)
    metrics["lr"] = (schedule(state.step), 1.0)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    state = state.replace(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        model_state=model_state,
        opt_state=opt_state,
    )
    state = method.after_update(state, carried)
    return state, jax.tree.map(jnp.float32, metrics)

  def step(state, batches, shared):
    if steps > 1:
      return jax.lax.scan(
          lambda state, batch: one(state, batch, shared), state, batches
      )
    # No scan for a single step: on CPU convolutions inside one are 10x slower.
    state, metrics = one(state, _first(batches), shared)
    return state, jax.tree.map(lambda x: x[None], metrics)

  return step


def make_eval_step(
    measure: Callable[..., Any], prepare: Callable[..., base.Batch]
):
  """Builds `step(state, batch, shared) -> ((), sums)` for one device.

  Args:
    measure: `measure(state, batch) -> sums`, which add up over batches.
    prepare: `prepare(batch, shared)`, the device side of the data pipeline.

  Returns:
    The step; the sums are those over all devices.
  """

  def step(state, batches, shared):
    batch = prepare(_first(batches), shared)
    return (), jax.lax.psum(measure(state, batch), AXIS)

  return step


def _first(batches):
  return jax.tree.map(lambda x: x[0], batches)
