"""The metrics against definitions written out, and their exactness."""

import functools

from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import evaluate
from dmjax import mixers
from dmjax import parallel
from dmjax.evaluate import metrics as metrics_lib
from dmjax.train import evaluation
from dmjax.train import loop
from dmjax.train import run as run_lib
from tests import tiny_config


def draw(seed, batch=40, classes=8):
  rng = np.random.default_rng(seed)
  return 2 * rng.normal(size=(batch, classes)), rng.integers(classes, size=batch)


def written_out(logits, labels):
  """Every metric by its definition, one example at a time."""
  p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  ranked = [sorted(range(len(row)), key=lambda c: -row[c]) for row in logits]
  right = [r[0] == y for r, y in zip(ranked, labels)]
  ece = 0.0
  for b in range(15):
    inside = [i for i, row in enumerate(p) if b / 15 < row.max() <= (b + 1) / 15]
    if inside:
      accuracy = np.mean([right[i] for i in inside])
      confidence = np.mean([p[i].max() for i in inside])
      ece += len(inside) / len(p) * abs(accuracy - confidence)
  return {
      "top1": np.mean(right),
      "top5": np.mean([y in r[:5] for r, y in zip(ranked, labels)]),
      "nll": -np.mean([np.log(row[y]) for row, y in zip(p, labels)]),
      "ece": ece,
  }


@given(seed=st.integers(0, 10**6))
def test_metrics_equal_their_definitions(seed):
  logits, labels = draw(seed)
  sums = evaluate.clean_sums(
      jnp.float32(logits), jnp.asarray(labels), jnp.ones(40, bool)
  )
  found = evaluate.summarize(jax.device_get(sums))
  assert found == pytest.approx(written_out(logits, labels), rel=1e-4)


@given(seed=st.integers(0, 10**6), cut=st.integers(1, 39))
def test_metrics_do_not_depend_on_batches_or_padding(seed, cut):
  logits, labels = draw(seed)

  def padded(part):
    pad = 40 - len(labels[part])
    return evaluate.clean_sums(
        jnp.asarray(np.pad(logits[part], ((0, pad), (0, 0)))),
        jnp.asarray(np.pad(labels[part], (0, pad))),
        jnp.arange(40) < len(labels[part]),
    )

  whole = padded(slice(None))
  parts = jax.tree.map(jnp.add, padded(slice(cut)), padded(slice(cut, None)))
  assert evaluate.summarize(jax.device_get(parts)) == pytest.approx(
      evaluate.summarize(jax.device_get(whole)), rel=1e-4
  )


def test_mixed_hits_look_at_the_two_classes():
  logits = jnp.array([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
  labels = jnp.array([[1, 0], [1, 0], [1, 0]])
  sums = evaluate.mixed_sums(logits, labels, jnp.ones(3, bool))
  assert [float(sums[k]) for k in ("mixed_top1", "mixed_top2")] == [2.0, 1.0]


def test_pairs_of_one_class_are_left_out_of_mixed_hits():
  labels = jnp.array([[1, 1], [0, 1]])
  sums = evaluate.mixed_sums(jnp.eye(3)[:2], labels, jnp.ones(2, bool))
  assert float(sums["mixed_count"]) == 1


def test_mixed_images_do_not_depend_on_the_batch():
  images = jax.random.uniform(jax.random.key(0), (6, 8, 8, 3))
  keys = jax.random.split(jax.random.key(1), 6)

  def predict(state, batch):
    del state
    return batch["x"].reshape(batch["x"].shape[0], -1)[:, :5]

  measure = jax.jit(
      functools.partial(metrics_lib.measure(predict, mixers.cutmix), None)
  )
  batch = lambda rows: {
      "x": images[rows], "label": rows % 5, "key": keys[rows],
      "other": {"x": images[(rows + 1) % 6], "label": (rows + 1) % 5},
      "valid": np.ones(len(rows), bool),
  }
  whole = jax.device_get(measure(batch(np.arange(6))))
  parts = [measure(batch(np.arange(i, i + 2))) for i in (0, 2, 4)]
  seen = jax.tree.map(lambda *leaves: sum(leaves), *jax.device_get(parts))
  for name, value in whole.items():
    np.testing.assert_allclose(value, seen[name], rtol=1e-5)


def test_evaluation_is_exact_and_reads_every_image_once():
  config, seen, found = tiny_config.get_config(), [], []
  for pipeline, batch_size in (("resident", 32), ("resident", 60), ("streaming", 60)):
    config.data.update(pipeline=pipeline, image_size=8)
    config.evaluate.batch_size = batch_size
    run = run_lib.assemble(config)
    data = run.pipeline("test")

    def rows(indices, data=data):
      seen.append(indices)
      return data.rows(indices)

    counted = data._replace(rows=rows)
    run = run._replace(pipeline=lambda split, counted=counted: counted)
    state = parallel.replicate(loop.first_state(run, seed=0))
    found.append(evaluation.make_evaluator(run)(state))
    # One more for each batch, the partner of its first image; and the padding.
    read, batches = np.concatenate(seen), -(-data.size // batch_size)
    assert len(read) == batches * (batch_size + 1)
    assert sorted(set(read)) == list(range(data.size))
    seen.clear()
  assert found[0] == pytest.approx(found[1], rel=1e-5)
  assert found[1] == pytest.approx(found[2], rel=1e-5)
