"""Evaluation of a whole split, exact whatever the batch size."""

from collections.abc import Callable

import jax
import numpy as np

from dmjax import evaluate
from dmjax import parallel
from dmjax import randomness
from dmjax.data import base
from dmjax.evaluate import metrics as metrics_lib
from dmjax.methods import TrainState
from dmjax.train import step as step_lib
from dmjax.train.run import Run


def make_evaluator(run: Run) -> Callable[[TrainState], dict[str, float]]:
  """Builds `evaluate(state) -> metrics` over the whole test split.

  Every example is also mixed with one other, the same one in every evaluation,
  unless `evaluate.mix` is `identity`.

  Args:
    run: The run, whose method predicts.

  Returns:
    The function; metrics are fractions.
  """
  pipeline = run.pipeline("test")
  mixes = run.config.evaluate.mix.name != "identity"
  measure = metrics_lib.measure(
      run.method.predict, run.test_mixer.mix if mixes else None
  )
  step = parallel.pmap(step_lib.make_eval_step(measure, _preparer(pipeline)))
  # As many rows on every device; what is too much is padding.
  devices = jax.device_count()
  batch_size = -(-run.config.evaluate.batch_size // devices) * devices

  def evaluate_split(state):
    parts = []
    for batch in _batches(pipeline, batch_size):
      parts.append(step(state, parallel.shard(batch), pipeline.shared)[1])
      # Waits for the batch before: this one is computed while the next is read.
      parts[-2:-1] = jax.device_get(parts[-2:-1])
    parts = jax.device_get(parts)
    return evaluate.summarize(jax.tree.map(lambda *x: np.sum(x, axis=0), *parts))

  return evaluate_split


def _preparer(pipeline: base.Pipeline):
  """Device side: rows, the rows they are mixed with, and a key for each."""
  root = lambda: randomness.for_purpose(jax.random.key(0), "evaluate")

  def prepare(batch, shared):
    first = pipeline.select(batch["first"], shared)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(root(), batch["number"])
    return first | {
        "other": pipeline.select(batch["second"], shared),
        "valid": batch["valid"],
        "key": keys,
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
