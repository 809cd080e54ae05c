"""Batches of classes: P by U on every device, the same in both pipelines."""

import jax
import numpy as np
import pytest

from dmjax import config as config_lib
from dmjax.data import groups
from dmjax.data import pipelines
from dmjax.data import resident
from dmjax.data import streaming
from dmjax.train import validate
from tests.data_test import numbered
from tests.data_test import numbers

PIPELINES = (resident.pipeline, streaming.pipeline)
# Three classes of eight rows; the tests run on four devices.
ROWS, CLASSES, UTTERANCES, BATCH = 24, 3, 3, 24


@pytest.fixture(params=PIPELINES)
def pipeline(request):
  return request.param(numbered(ROWS), per_class=UTTERANCES)


def taken(pipeline, count, seed=5, position=None, batch_size=BATCH):
  stream = pipeline.batches(batch_size, seed, position)
  return [numbers(pipeline, stream.next()) for _ in range(count)]


def test_a_device_has_classes_of_its_own_and_their_rows_stand_together(pipeline):
  for batch in taken(pipeline, 6):
    rows = np.reshape(batch, (jax.device_count(), -1, UTTERANCES))
    labels = rows % CLASSES
    assert rows.shape[1] == 2 and (labels == labels[..., :1]).all()
    for of_device, found in zip(labels[..., 0], rows):
      assert len(set(of_device)) == 2
      assert len(set(found.flat)) == found.size


def test_batches_are_those_of_seed_and_step(pipeline):
  found = taken(pipeline, 4)
  assert taken(pipeline, 4) == found != taken(pipeline, 4, seed=6)
  stream = pipeline.batches(BATCH, 5)
  for _ in range(2):
    stream.next()
  assert taken(pipeline, 2, position=stream.position()) == found[2:]


def test_every_class_and_row_has_its_turn(pipeline):
  rows = np.concatenate(taken(pipeline, 20))
  assert set(rows) == set(range(ROWS))
  assert np.bincount(rows % CLASSES).min() > len(rows) / CLASSES / 1.3


def test_both_pipelines_draw_the_same_rows():
  one, other = (make(numbered(ROWS), per_class=UTTERANCES) for make in PIPELINES)
  assert taken(one, 3) == taken(other, 3)


@pytest.mark.parametrize("make", PIPELINES)
def test_processes_have_their_parts_of_a_batch(make, monkeypatch):
  pipeline = make(numbered(ROWS), per_class=UTTERANCES)
  whole = np.array(taken(pipeline, 2))
  parts = []
  for index in range(2):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda index=index: index)
    parts.append(np.array(taken(pipeline, 2)))
    monkeypatch.undo()
  np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_what_does_not_fit_is_refused():
  few = numbered(ROWS)._replace(class_names=("ann", "bob", "eve", "nobody"))
  for make in PIPELINES:
    with pytest.raises(ValueError, match=r"per_class=9 .* fewer of ann \(8\), "):
      make(few, per_class=9)
    pipeline = make(few, per_class=2)
    with pytest.raises(ValueError, match="=32 .* 4 classes on each .* 3: .* 24"):
      pipeline.batches(32, 0).next()
  refused = {20: "multiple of 8, 16 or more", 8: "2 classes or more"}
  for batch_size, message in refused.items():
    with pytest.raises(ValueError, match=f"batch_size={batch_size}.*{message}"):
      groups.classes_of_device(batch_size, 2, 10)


@pytest.mark.parametrize("key,value", (
    ("data.repeats", 2), ("unlabelled.split", "train"), ("data.skip_bad", True),
))
def test_options_that_contradict_it_are_named(key, value):
  config = config_lib.default()
  config.data.update(per_class=2, pipeline="streaming")
  config.update_from_flattened_dict({key: value})
  with pytest.raises(ValueError, match=f"per_class=2 and {key}.* do not go tog"):
    validate.check_config(config)
  config.data.per_class = -1
  with pytest.raises(ValueError, match="data.per_class must be >= 0, got -1"):
    validate.check_config(config)


def test_the_rows_of_test_batches_are_as_they_were():
  config = config_lib.default().data
  config.per_class, config.image_size = 40, 0
  found = pipelines.open_pipeline(config, numbered(ROWS), "test")
  assert found.size == ROWS
  with pytest.raises(ValueError, match="needs so many examples"):
    pipelines.open_pipeline(config, numbered(ROWS), "train")
