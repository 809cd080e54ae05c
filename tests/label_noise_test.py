"""Wrong labels: how many, which, where they stay away, and who learns them."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import config as config_lib
from dmjax.data import base
from dmjax.data import labels
from dmjax.data import pipelines
from dmjax.evaluate import memorisation
from dmjax.train import loop
from dmjax.train import progress
from dmjax.train import run as run_lib
from dmjax.train import streams
from dmjax.train import validate
from dmjax.train import workdir as workdir_lib
from tests.train_test import assert_same_state

CLASSES = ("ant", "bee", "cow", "dog")
GIVEN = np.random.default_rng(0).integers(4, size=3000)


def source(given=GIVEN, **options):
  """Rows of one number, with these labels."""

  def read(index):
    return {"x": np.float32([index]), "label": int(given[index])}

  return base.Source(
      read, len(given), CLASSES, kind="table", mean=(), std=(), **options
  )


def read(noisy, key="label"):
  return np.array([noisy.read(row)[key] for row in range(noisy.size)])


def config(**changes):
  """A short run of a small network on rows with labels, half of them wrong."""
  found = config_lib.default()
  found.batch_size, found.total = 16, "4 steps"
  found.model = {"name": "mlp", "dtype": "float32", "widths": (8,)}
  found.mix = {"name": "mixup"}
  found.data.update(
      name="mock/table", crop_padding=0, flip=False, label_noise=0.5
  )
  found.evaluate.update(every="2 steps", mix={"name": "mixup"})
  found.checkpoint.every = "2 steps"
  found.update_from_flattened_dict(changes)
  return found


def opened(**changes):
  return streams.open_sources(config(**changes), {})


@pytest.mark.parametrize("share", (0.0, 0.2, 0.5, 0.8, 0.9999))
def test_the_share_of_labels_is_wrong_and_the_true_ones_ride_along(share):
  noisy = labels.with_noise(source(present=CLASSES), share, 0)
  wrong = read(noisy) != GIVEN
  assert wrong.sum() == round(share * GIVEN.size)
  np.testing.assert_array_equal(read(noisy, "true_label"), GIVEN)
  assert noisy.present == () and noisy.size == GIVEN.size


def test_wrong_labels_are_each_of_the_other_classes_equally_often():
  noisy = labels.with_noise(source(), 0.8, 1)
  counts = np.zeros((4, 4))
  np.add.at(counts, (GIVEN, read(noisy)), 1)
  shares = counts / counts.sum(axis=1, keepdims=True)
  expected = np.where(np.eye(4), 0.2, 0.8 / 3)
  np.testing.assert_allclose(shares, expected, atol=0.06)


def test_the_seed_draws_and_a_larger_share_keeps_what_is_wrong():
  drawn = lambda share, seed: read(labels.with_noise(source(), share, seed))
  few, many = drawn(0.2, 3), drawn(0.5, 3)
  np.testing.assert_array_equal(few, drawn(0.2, 3))
  assert (few != drawn(0.2, 4)).any()
  np.testing.assert_array_equal(few[few != GIVEN], many[few != GIVEN])


def test_labels_are_the_same_however_they_are_read():
  alone = source(label=lambda row: int(GIVEN[row]))
  noisy = labels.with_noise(alone, 0.4, 0)
  np.testing.assert_array_equal(labels.read_all(noisy), read(noisy))
  assert labels.with_noise(source(), 0.4, 0).label is None
  rows = np.array([7, 2900, 7, 0])
  for kind in ("resident", "streaming"):
    section = dict(config_lib.default().data, pipeline=kind)
    data = pipelines.open_pipeline(section, noisy, "train")
    found = jax.device_get(data.select(data.rows(rows), data.shared))
    np.testing.assert_array_equal(found["label"], read(noisy)[rows])
    np.testing.assert_array_equal(found["true_label"], GIVEN[rows])
    assert found["true_label"].dtype == found["label"].dtype


def test_labels_out_of_range_are_left_to_be_refused():
  noisy = labels.with_noise(source(np.full(50, -1)), 0.5, 0)
  assert set(read(noisy)) == {-1}


@pytest.mark.parametrize("share", (-0.1, 1.0, float("nan")))
def test_shares_out_of_range_are_named(share):
  message = r"share must lie in \[0, 1\), got"
  with pytest.raises(ValueError, match=message):
    labels.with_noise(source(), share, 0)
  with pytest.raises(ValueError, match=f"data.label_noise {message[6:]}"):
    validate.check_config(config(**{"data.label_noise": share}))


def test_other_mistakes_are_named():
  single = source()._replace(class_names=("ant",))
  with pytest.raises(ValueError, match=r"two classes or more .*\['ant'\]"):
    labels.with_noise(single, 0.5, 0)
  with pytest.raises(ValueError, match="data.label_noise_seed must lie in"):
    validate.check_config(config(**{"data.label_noise_seed": -1}))


def test_only_labels_that_are_trained_on_are_replaced():
  clean, _ = opened(**{"data.label_noise": 0.0})
  noisy, _ = opened(**{"unlabelled.split": "train"})
  assert (read(noisy["train"]) != read(clean["train"])).sum() == 24
  np.testing.assert_array_equal(read(noisy["test"]), read(clean["test"]))
  for split in ("test", "unlabelled"):
    assert "true_label" not in noisy[split].read(0)
  assert set(read(noisy["unlabelled"])) == {0}
  assert "true_label" not in clean["train"].read(0)


def test_of_few_labels_the_share_is_of_those():
  found, rows = opened(**{"data.labels": "2 per class"})
  train = found["train"]
  assert train.size == len(rows) == 20
  np.testing.assert_array_equal(read(train, "true_label"), rows % 10)
  assert (read(train) != rows % 10).sum() == 10


def test_sources_that_are_given_stay_as_they_are():
  clean, _ = opened(**{"data.label_noise": 0.0})
  found, _ = streams.open_sources(config(), clean)
  assert found["train"] is clean["train"]


def test_what_is_memorised_is_what_a_count_by_hand_gives():
  said = np.array([0, 1, 2, 0, 3, 1])
  given = jnp.array([0, 1, 1, 2, 3, 1])
  true = jnp.array([0, 0, 2, 0, 1, 2])
  valid = jnp.array([True] * 5 + [False])
  measure = memorisation.measure(lambda state, batch: jnp.eye(4)[batch["x"]])
  batch = {"x": said, "label": given, "true_label": true, "valid": valid}
  found = memorisation.summarize(measure(None, batch))
  # Wrong are rows 1 to 4, of which 1 and 4 are learned; 0, 2 and 3 are right.
  assert found == pytest.approx({"memorised": 2 / 4, "train_top1_true": 3 / 5})
  right = memorisation.measure(lambda state, batch: jnp.eye(4)[true])
  clean = memorisation.summarize(right(None, batch | {"label": true}))
  assert clean == {"memorised": 0.0, "train_top1_true": 1.0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """A short run, and its last metrics."""
  workdir = tmp_path_factory.mktemp("noise") / "run"
  return workdir, loop.train(config(), workdir).metrics


def test_a_run_tells_what_is_memorised_of_its_training_rows(trained):
  workdir, metrics = trained
  run = run_lib.assemble(config())
  state = run_lib.restore(run, workdir)
  train = run.sources["train"]
  x = jnp.stack([train.read(row)["x"] for row in range(train.size)])
  said = np.asarray(run.method.predict(state, {"x": x})).argmax(axis=1)
  given, true = read(train), read(train, "true_label")
  wrong = given != true
  assert metrics["memorised"] == pytest.approx((said == given)[wrong].mean())
  assert metrics["train_top1_true"] == pytest.approx((said == true).mean())
  rows = [r for r in progress.read_metrics(workdir) if "test/memorised" in r]
  assert [row["step"] for row in rows] == [2, 4]
  assert rows[-1]["test/memorised"] == metrics["memorised"]


def test_a_run_that_goes_on_has_the_same_wrong_labels(trained, tmp_path):
  workdir, metrics = trained
  other = shutil.copytree(workdir, tmp_path / "run")
  shutil.rmtree(other / "checkpoints" / "4")
  assert loop.train(config(), other).metrics == metrics
  assert_same_state(other, workdir)
  read_back = workdir_lib.read_config(workdir)
  assert json.loads(read_back.to_json()) == json.loads(config().to_json())


def test_another_share_is_another_run(trained):
  with pytest.raises(ValueError, match="data.label_noise was 0.5, now 0.2"):
    workdir_lib.check(trained[0], config(**{"data.label_noise": 0.2}))


def test_an_evaluation_without_training_data_is_of_the_test_rows(trained):
  workdir, metrics = trained
  found = loop.evaluate(config(), workdir)
  assert set(metrics) - set(found) == {"memorised", "train_top1_true"}
  assert found["nll"] == pytest.approx(metrics["nll"], rel=1e-5)
