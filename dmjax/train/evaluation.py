"""Evaluation of a whole split, exact whatever the batch size."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from dmjax import evaluate
from dmjax import parallel
from dmjax.data import augment
from dmjax.data import pipelines
from dmjax.evaluate import metrics as metrics_lib
from dmjax.methods import Method
from dmjax.methods import TrainState
from dmjax.train import build
from dmjax.train import step as step_lib


def make_evaluator(
    config: Any, method: Method, pipeline: pipelines.Pipeline
) -> Callable[[TrainState], dict[str, float]]:
  """Builds `evaluate(state) -> metrics` over a whole split.

  Every image is also mixed with one other, the same one in every evaluation.

  Args:
    config: The configuration.
    method: Its `predict` is evaluated.
    pipeline: The split.

  Returns:
    The function; metrics are fractions.
  """
  mixer = build.make_mixer(config.evaluate.mix)
  measure = metrics_lib.measure(method.predict, mixer)
  prepare = _make_prepare(config.data, pipeline.select)
  step = parallel.pmap(step_lib.make_eval_step(measure, prepare))

  def evaluate_split(state):
    parts = []
    for batch in _batches(pipeline, config.evaluate.batch_size):
      parts.append(step(state, parallel.shard(batch), pipeline.shared)[1])
      # Waits for the batch before: this one is computed while the next is read.
      parts[-2:-1] = jax.device_get(parts[-2:-1])
    parts = jax.device_get(parts)
    return evaluate.summarize(jax.tree.map(lambda *x: np.sum(x, axis=0), *parts))

  return evaluate_split


def _make_prepare(data: Mapping[str, Any], select):
  """Device side: pixels of a row and its partner, normalised, and a key."""

  def prepare(batch, shared):
    first = select(batch["first"], shared)
    second = select(batch["second"], shared)
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    return {
        "image": augment.normalize(first["image"], data["mean"], data["std"]),
        "other": augment.normalize(second["image"], data["mean"], data["std"]),
        "label": first["label"],
        "other_label": second["label"],
        "valid": batch["valid"],
        "key": fold(jax.random.key(0), batch["number"]),
    }

  return prepare


def _batches(pipeline, batch_size):
  """This process's part of every batch, the last one padded, `[1, B, ...]`."""
  # The partner of an image is the one before it in a fixed random cycle through
  # the split. In the order of the cycle, every image is read once.
  order = np.random.default_rng(0).permutation(pipeline.size)
  for start in range(0, pipeline.size, batch_size):
    places = parallel.shard_rows(np.arange(start, start + batch_size))
    valid, places = places < pipeline.size, np.minimum(places, pipeline.size - 1)
    images = pipeline.rows(order[np.append(places[0] - 1, places)])
    batch = {
        "first": jax.tree.map(lambda x: x[1:], images),
        "second": jax.tree.map(lambda x: x[:-1], images),
        "valid": valid,
        "number": order[places].astype(np.int32),
    }
    yield jax.tree.map(lambda x: x[None], batch)
