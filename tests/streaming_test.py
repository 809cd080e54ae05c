"""Streaming 224 px JPEGs from ArrayRecord files with worker processes."""

import io
import time

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from dmjax import config as config_lib
from dmjax.data import pipelines
from dmjax.data import sources
from dmjax.data import streaming

SIZE = 24


class Pictures(tfds.core.GeneratorBasedBuilder):
  """JPEGs of different shapes whose grey level is their number."""

  VERSION = tfds.core.Version("1.0.0")

  def _info(self):
    return self.dataset_info_from_configs(
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(
                shape=(None, None, 3), encoding_format="jpeg"
            ),
            "label": tfds.features.ClassLabel(num_classes=SIZE),
        }),
        supervised_keys=("image", "label"),
    )

  def _split_generators(self, dl_manager):
    return {"train": self._generate_examples()}

  def _generate_examples(self):
    rng = np.random.default_rng(0)
    for number in range(SIZE):
      pixels = rng.integers(0, 256, (256, 300 + number, 3), dtype=np.uint8)
      file = io.BytesIO()
      Image.fromarray(pixels).save(file, format="JPEG")
      yield number, {"image": file.getvalue(), "label": number}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  directory = tmp_path_factory.mktemp("tfds")
  Pictures(
      data_dir=directory, file_format="array_record"
  ).download_and_prepare()
  section = config_lib.default().data
  section.update(
      name="pictures", dir=str(directory), pipeline="streaming",
      image_size=224, crop_scale=(0.3, 1.0), crop_padding=0,
  )
  return section


def open_pictures(data):
  source = sources.open_source(data.name, "train", data.dir)
  return pipelines.open_pipeline(data, source, "train")


def test_worker_processes_resume_at_the_exact_example(data):
  data.workers = 2
  stream = open_pictures(data).batches(8, 3)
  seen, positions = [], []
  for _ in range(5):
    positions.append(stream.position())
    seen.append(stream.next())
  assert seen[0]["x"].shape == (8, 224, 224, 3)
  labels = np.concatenate([batch["label"] for batch in seen[:3]])
  assert sorted(labels) == list(range(SIZE))
  again = open_pictures(data).batches(8, 3, positions[2])
  for expected in seen[2:]:
    batch = again.next()
    np.testing.assert_array_equal(batch["label"], expected["label"])
    np.testing.assert_array_equal(batch["x"], expected["x"])


def test_workers_and_threads_give_the_same_batches(data):
  batches = []
  for workers in (0, 1):
    data.workers = workers
    stream = open_pictures(data).batches(4, 5)
    batches.append([stream.next() for _ in range(2)])
  for first, second in zip(*batches):
    np.testing.assert_array_equal(first["x"], second["x"])
    np.testing.assert_array_equal(first["label"], second["label"])


def test_only_a_few_batches_are_decoded_ahead(data):
  """What is decoded waits in memory, and training is slower than decoding."""
  decoded, source = [], sources.open_source(data.name, "train", data.dir)

  def crop(rng, picture):
    decoded.append(rng.random())
    return picture.resize((8, 8))

  stream = streaming.pipeline(source, 8, crop=crop).batches(2, 0)
  stream.next()
  time.sleep(1)
  assert len(decoded) <= 2 * 6
