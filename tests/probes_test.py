"""Probes of test rows as they are, of mixed ones and of another dataset."""

import functools

import jax
import jax.numpy as jnp
from matplotlib import figure as figure_lib
import numpy as np
import pytest
from scipy import special

from dmjax import evaluate
from dmjax import mixers
from dmjax.evaluate import probes
from dmjax.evaluate.probes import clean
from dmjax.evaluate.probes import mixed
from dmjax.evaluate.probes import ood

CLASSES = 5
ROWS = 6
LABELS = jnp.arange(ROWS) % CLASSES
# The last pair is of one class.
OTHERS = jnp.array([1, 2, 3, 4, 0, 0])


def model_of(logits):
  return probes.Model(logits, None, None, CLASSES)


def one_hot_images(labels):
  """Images `[B, 8, 8, C]`, 1 in the channel of the class."""
  rows = jax.nn.one_hot(labels, CLASSES)[:, None, None]
  return jnp.broadcast_to(rows, (len(labels), 8, 8, CLASSES))


def batch():
  return {
      "x": one_hot_images(LABELS), "label": LABELS,
      "key": jax.random.split(jax.random.key(3), ROWS),
      "other": {"x": one_hot_images(OTHERS), "label": OTHERS},
  }


# Its probabilities are the shares of the classes among the pixels.
ORACLE = model_of(lambda state, x: jnp.log(x.mean((1, 2)) + 1e-9))


@functools.cache
def program(name):
  return jax.jit(mixed.measure(ORACLE, name))


def names():
  return list(dict.fromkeys(c.program for c in mixed.cases(probes.Options())))


def test_every_unguided_mixer_with_a_lambda_is_tried():
  expected = ["cutmix", "fmix", "gridmix", "mixup", "resizemix"]
  assert sorted(names()) == expected
  assert len(mixed.cases(probes.Options())) == 9 * len(expected)


def test_inputs_that_are_no_images_are_blended_as_a_whole():
  found = mixed.cases(probes.Options(kind="table"))
  assert {case.program for case in found} == {"mixup"}
  assert [case.place for case in found] == [i / 10 for i in range(1, 10)]
  x = jnp.eye(CLASSES)
  rows = {"x": x[LABELS], "other": {"x": x[OTHERS], "label": OTHERS}}
  model = model_of(lambda state, x: jnp.log(x + 1e-9))
  run = jax.jit(mixed.measure(model, "mixup"))
  share = run(None, batch() | rows, {"lam": jnp.float32(0.3)})["share"]
  np.testing.assert_allclose(share[:5], 0.3, rtol=1e-5)


@pytest.mark.parametrize("name", names())
def test_weights_equal_the_mask_mean_of_the_mixer_used(name):
  data, lam = batch(), jnp.float32(0.6)
  found = program(name)(None, data, {"lam": lam})
  mixer = jax.jit(mixers.MIXERS[name])
  for i in range(ROWS):
    pair = jnp.stack([data["x"][i], data["other"]["x"][i]])
    one = mixer(data["key"][i], pair, lam=lam, partner=jnp.array([1, 0]))
    own = 0.6 if one.mask is None else float(one.mask[0].mean())
    assert float(found["weight"][i]) == pytest.approx(own, abs=1e-6)


@pytest.mark.parametrize("name", names())
def test_a_perfect_oracle_sees_both_classes_and_their_shares(name):
  cases = [c for c in mixed.cases(probes.Options()) if c.program == name]
  run, data = program(name), batch()
  outcomes = [
      jax.device_get(run(None, data, jax.tree.map(jnp.float32, c.setting)))
      for c in cases
  ]
  assert run._cache_size() == 1, "lambda is traced"
  for metrics in mixed.summarize(cases, outcomes, LABELS):
    assert metrics["mixed_top1"] == 1
    assert metrics["share_error"] < 1e-5
    assert metrics["share"] == pytest.approx(metrics["weight"], abs=1e-5)
  if name in ("mixup", "fmix"):
    assert metrics["mixed_top2"] == 1
    assert metrics["weight"] == pytest.approx(cases[-1].place, abs=0.02)


def test_mixed_metrics_are_those_of_training_and_leave_out_pairs_of_one_class():
  logits = jax.random.normal(jax.random.key(0), (ROWS, CLASSES))
  run = jax.jit(mixed.measure(model_of(lambda state, x: logits), "mixup"))
  found = jax.device_get(run(None, batch(), {"lam": 0.3}))
  assert np.isnan(found["mixed_top1"]).tolist() == 5 * [False] + [True]
  labels = jnp.stack([LABELS, OTHERS], 1)
  sums = evaluate.mixed_sums(logits, labels, jnp.ones(ROWS, bool))
  (metrics,) = mixed.summarize([None], [found], LABELS)
  rows = np.nanmean(found[mixed.PROBE.row])
  assert metrics[mixed.PROBE.metric] == pytest.approx(rows)
  for name in ("mixed_top1", "mixed_top2"):
    assert metrics[name] == pytest.approx(float(sums[name]) / 5)
  p = np.exp(logits)[:5]
  own, other = p[np.arange(5), LABELS[:5]], p[np.arange(5), OTHERS[:5]]
  error = np.abs(own / (own + other) - 0.3).mean()
  assert metrics["share_error"] == pytest.approx(error, rel=1e-5)


def test_no_pair_of_two_classes_is_no_error():
  found = dict.fromkeys(
      ("mixed_top1", "mixed_top2", "share", "weight"), np.full(3, np.nan)
  )
  assert mixed.summarize([None], [found], None)[0]["mixed_top1"] == 0


def by_rows(run, data, setting):
  """Outcomes of batches of one, put together."""
  parts = [
      run(None, jax.tree.map(lambda a: a[i : i + 1], data), setting)
      for i in range(ROWS)
  ]
  return jax.tree.map(lambda *p: jnp.concatenate(p), *parts)


@pytest.mark.parametrize("probe,name", [
    (mixed.PROBE, "cutmix"), (clean.PROBE, ""), (ood.PROBE, ""),
])
def test_outcomes_do_not_depend_on_the_batch(probe, name):
  weights = jax.random.normal(jax.random.key(0), (CLASSES, CLASSES))
  model = model_of(lambda state, x: x.mean((1, 2)) @ weights)
  run = jax.jit(probe.measure(model, name))
  setting = {"lam": jnp.float32(0.3)} if name else {}
  whole, parts = run(None, batch(), setting), by_rows(run, batch(), setting)
  assert whole.keys() == parts.keys()
  jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
      whole, parts,
  )


def drawn(rows=2000, sharpness=3.0):
  """Logits `sharpness` times those that the labels are drawn by."""
  rng = np.random.default_rng(0)
  logits = 1.5 * rng.normal(size=(rows, CLASSES + 3))
  noise = rng.gumbel(size=logits.shape)
  return np.float32(sharpness * logits), (logits + noise).argmax(1)


def summary(logits, labels):
  outcomes = {"logits": logits, "hit": np.float32(logits.argmax(1) == labels)}
  return clean.summarize(None, [outcomes], labels)


def test_clean_metrics_are_those_of_evaluation():
  logits, labels = drawn()
  (found,) = summary(logits, labels)
  sums = evaluate.clean_sums(
      jnp.asarray(logits), jnp.asarray(labels), jnp.ones(len(labels), bool)
  )
  for name, value in evaluate.summarize(jax.device_get(sums)).items():
    assert found[name] == pytest.approx(value, rel=1e-4), name
  p = special.softmax(logits.astype(float), axis=1)
  brier = ((p - np.eye(CLASSES + 3)[labels]) ** 2).sum(1).mean()
  assert found["brier"] == pytest.approx(brier)


def test_a_temperature_calibrates_the_rows_that_it_has_not_seen():
  logits, labels = drawn(20_000)
  (found,) = summary(logits, labels)
  assert found["temperature"] == pytest.approx(3, rel=0.05)
  assert found["ece"] > 0.15 and found["tempered_ece"] < 0.02
  assert found["tempered_nll"] < found["nll"]
  count, confidence, accuracy = np.transpose(found["reliability"])
  assert count.sum() == 20_000
  assert count @ accuracy / 20_000 == pytest.approx(found["top1"])
  assert np.all(confidence >= 0)


@pytest.mark.parametrize("rows", [2, 4, 5, 100])
def test_a_fifth_of_the_rows_is_held_out(rows):
  assert clean._held_out(rows).sum() == max(rows // 5, 1)


def test_outliers_are_a_case_only_where_a_dataset_is_named():
  assert ood.cases(probes.Options()) == []
  inside, outside = ood.cases(probes.Options(ood="svhn_cropped"))
  assert (inside.dataset, outside.dataset) == ("", "svhn_cropped")


def test_scores_of_outliers_are_softmax_and_energy():
  logits = 4 * jax.random.normal(jax.random.key(1), (ROWS, CLASSES))
  run = ood.measure(model_of(lambda state, x: logits), "")
  found = run(None, batch(), {})
  p = special.softmax(logits, axis=1).max(1)
  np.testing.assert_allclose(found["softmax"], special.logit(p), rtol=1e-3)
  energy = special.logsumexp(logits, axis=1)
  np.testing.assert_allclose(found["energy"], energy, rtol=1e-5)


def test_very_sure_rows_keep_their_order():
  logits = jnp.array([[50.0, 0, 0], [60, 0, 0]])
  found = ood.measure(model_of(lambda state, x: logits), "")(None, {"x": 0}, {})
  assert found["softmax"][0] < found["softmax"][1]


def test_outliers_are_measured_against_the_test_rows():
  inside = {"softmax": np.arange(2.0, 6), "energy": np.arange(4.0)}
  outside = {"softmax": np.arange(2.0), "energy": np.array([1.5])}
  same, other = ood.summarize(None, [inside, outside], None)
  assert same["auroc_softmax"] == same["auroc_energy"] == 0.5
  assert other["auroc_softmax"] == 1 and other["fpr95_softmax"] == 0
  assert other["auroc_energy"] == 0.5 and other["fpr95_energy"] == 1


def test_pictures_have_a_line_or_a_bar_for_each_run():
  left, right = figure_lib.Figure().subplots(1, 2)
  logits, labels = drawn(100)
  metrics = summary(logits, labels)
  clean.draw(left, None, {"a": metrics, "b": metrics})
  assert len(left.lines) == 3, "two runs and the diagonal"
  scores = [{"auroc_softmax": 0.5, "auroc_energy": 0.9}] * 2
  ood.draw(right, None, {"a": scores, "b": scores, "c": scores})
  assert len(right.patches) == 6
