"""Evaluation of a whole split, exact whatever the batch size."""

from collections.abc import Callable, Iterator

import jax
import numpy as np

from dmjax import evaluate
from dmjax import parallel
from dmjax import randomness
from dmjax.data import base
from dmjax.evaluate import memorisation
from dmjax.evaluate import metrics as metrics_lib
from dmjax.methods import TrainState
from dmjax.train import step as step_lib
from dmjax.train.run import Run


def make_evaluator(run: Run) -> Callable[[TrainState], dict[str, float]]:
  """Builds `evaluate(state) -> metrics` over the whole test split.

  Every example is also mixed with one other, the same one in every evaluation,
  unless `evaluate.mix` is `identity`. Where labels of the training split were
  replaced, that split is seen as well, as it is: not augmented, not mixed.

  Args:
    run: The run, whose method predicts.

  Returns:
    The function; metrics are fractions.
  """
  mixes = run.config.evaluate.mix.name != "identity"
  clean = _summer(run, "test", metrics_lib.measure(
      run.method.predict, run.test_mixer.mix if mixes else None
  ))
  if "true_label" not in run.example:
    return lambda state: evaluate.summarize(clean(state))
  noisy = _summer(run, "train", memorisation.measure(run.method.predict))
  return lambda state: (
      evaluate.summarize(clean(state)) | memorisation.summarize(noisy(state))
  )


def _summer(run, split, measure):
  """Builds `state -> sums` of what is measured, over a whole split."""
  pipeline, batch_size = run.pipeline(split), run.config.evaluate.batch_size
  step = parallel.pmap(step_lib.make_eval_step(measure, preparer(pipeline)))

  def sums(state):
    parts = []
    for batch in batches(pipeline, batch_size):
      parts.append(step(state, parallel.shard(batch), pipeline.shared)[1])
      # Waits for the batch before: this one is computed while the next is read.
      parts[-2:-1] = jax.device_get(parts[-2:-1])
    parts = jax.device_get(parts)
    return jax.tree.map(lambda *x: np.sum(x, axis=0), *parts)

  return sums


def preparer(pipeline: base.Pipeline) -> Callable[..., base.Arrays]:
  """Device side of `batches`: rows, those they are mixed with, and their keys.

  Args:
    pipeline: The pipeline.

  Returns:
    `(batch, shared) -> batch` with `other`, `valid`, `number` and `key`.
  """
  root = lambda: randomness.for_purpose(jax.random.key(0), "evaluate")

  def prepare(batch, shared):
    first = pipeline.select(batch["first"], shared)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(root(), batch["number"])
    return first | {
        "other": pipeline.select(batch["second"], shared),
        "valid": batch["valid"],
        "number": batch["number"],
        "key": keys,
    }

  return prepare


def batches(
    pipeline: base.Pipeline, batch_size: int, limit: int = 0
) -> Iterator[base.Arrays]:
  """This process's part of every batch, the last one padded, `[1, B, ...]`.

  Args:
    pipeline: The pipeline.
    batch_size: Over all devices, whose number it is rounded up to.
    limit: So many rows, the same ones every time; 0 for all.

  Yields:
    Batches with `first`, `second`, `valid` and `number`, the row.
  """
  # As many rows on every device; what is too much is padding.
  devices = jax.device_count()
  batch_size = -(-batch_size // devices) * devices
  # The partner of an image is the one before it in a fixed random cycle through
  # the split. In the order of the cycle, every image is read once.
  order = np.random.default_rng(0).permutation(pipeline.size)
  size = min(limit or pipeline.size, pipeline.size)
  for start in range(0, size, batch_size):
    places = parallel.shard_rows(np.arange(start, start + batch_size))
    valid, places = places < size, np.minimum(places, size - 1)
    images = pipeline.rows(order[np.append(places[0] - 1, places)])
    batch = {
        "first": jax.tree.map(lambda x: x[1:], images),
        "second": jax.tree.map(lambda x: x[:-1], images),
        "valid": valid,
        "number": order[places].astype(np.int32),
    }
    yield jax.tree.map(lambda x: x[None], batch)
