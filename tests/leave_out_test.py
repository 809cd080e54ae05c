"""Domains: where they come from, and one that is left out."""

import numpy as np
from PIL import Image
import pytest

from dmjax import config as config_lib
from dmjax.data import derived
from dmjax.data import digits_domains
from dmjax.data import labels
from dmjax.data import leave_out
from dmjax.data import pipelines
from dmjax.data import sources
from dmjax.data import wav_files
from dmjax.train import streams
from tests import sounds_test
from tests.tiny_sounds import tone
from tests.tiny_sounds import write

digits = sounds_test.digits  # A release of two speakers.


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
  """root/<domain>/<class>/*.png; the grey value tells domain and class."""
  root = tmp_path_factory.mktemp("pacs")
  for d, domain in enumerate(("art", "photo", "sketch")):
    for c, name in enumerate(("dog", "house")):
      for i in range(2 + d):
        path = root / domain / name / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 10 + 20 * d + 5 * c + i).save(path)
  return root


def opened(root, **data):
  config = config_lib.default()
  config.data.update(
      {"name": str(root), "train": "all", "test": "all"} | data
  )
  return config, streams.open_sources(config, {})[0]


def test_folders_of_folders_of_classes_are_domains(pacs):
  source = sources.open_source(str(pacs), "all")
  assert source.domain_names == ("art", "photo", "sketch")
  assert source.class_names == ("dog", "house") and source.size == 18
  for row in range(source.size):
    example = source.read(row)
    grey = int(example["x"][0, 0, 0]) - 10
    assert (grey // 20, grey % 20 // 5) == (example["domain"], example["label"])
    assert source.domain(row) == example["domain"]
  alone = sources.open_source(str(pacs), "photo")  # A split as any other.
  assert alone.size == 6 and not alone.domain_names


def test_what_is_left_out_is_tested_and_the_rest_is_trained_on(pacs):
  found = opened(pacs, leave_out="photo")[1]
  train, test = found["train"], found["test"]
  assert train.domain_names == ("art", "sketch") and train.size == 12
  assert test.domain_names == ("photo",) and test.size == 6
  greys = lambda s: {int(s.read(i)["x"][0, 0, 0]) for i in range(s.size)}
  assert all(30 <= grey < 50 for grey in greys(test))
  assert not greys(test) & greys(train)
  told = {(int(train.read(i)["x"][0, 0, 0]) > 40, int(train.read(i)["domain"]))
          for i in range(train.size)}
  assert told == {(False, 0), (True, 1)}  # Numbered without a gap.


@pytest.mark.parametrize("pipeline", ("resident", "streaming"))
def test_domains_follow_their_rows_through_a_pipeline(pacs, pipeline):
  config, found = opened(pacs, leave_out="art", pipeline=pipeline)
  noisy = labels.with_noise(found["train"], 0.5, 0)
  source = derived.subset(noisy, np.arange(noisy.size)[::-1][:12])
  data = pipelines.open_pipeline(config.data, source, "train")
  assert data.example["domain"].dtype == np.int32
  stream = data.batches(4, 0)
  for _ in range(4):
    batch = data.select(stream.next(), data.shared)
    greys = np.round(255 * np.asarray(batch["x"])[:, 0, 0, 0]) - 10
    np.testing.assert_array_equal(batch["domain"], greys // 20 - 1)
  batch = data.select(data.rows(np.arange(12)), data.shared)
  expected = [source.domain(row) for row in range(12)]
  np.testing.assert_array_equal(batch["domain"], expected)


def test_speakers_of_spoken_digits_are_domains(digits):
  source = sounds_test.open_digits(digits, "train")
  assert source.domain_names == ("ann", "bob")
  alone = sounds_test.open_digits(digits, "all[speaker=bob]")
  assert alone.domain_names == ("bob",)
  rows = lambda s: {s.read(i)["x"].tobytes() for i in range(s.size)}
  whole = sounds_test.open_digits(digits, "all")
  assert rows(leave_out.test(whole, "bob")) == rows(alone)
  assert not rows(leave_out.training(whole, "bob")) & rows(alone)


def test_a_field_of_file_names_tells_the_domain_of_recordings(tmp_path):
  for i, name in enumerate(("a/one_x", "a/two_y", "b/three_x", "b/four_y")):
    write(tmp_path / "train" / f"{name}.wav", tone(i))
  source, _ = wav_files.open_folder(tmp_path, "train", "{take}_{domain}.wav")
  assert source.domain_names == ("x", "y")
  read = [source.read(i) for i in range(4)]
  seen = {tuple(example["x"]): example["domain"] for example in read}
  assert all(seen[tuple(tone(i))] == i % 2 for i in range(4))
  assert not wav_files.open_folder(tmp_path, "train")[0].domain_names


def test_training_digits_have_one_guise_and_test_digits_all(tmp_path):
  found = {}
  for split in ("train", "test"):
    source = sources.open_source("digits_domains", split, str(tmp_path))
    assert source.domain_names == tuple(digits_domains.GUISES)
    found[split] = source
  train, test = found.values()
  assert (train.size, test.size) == (1437, 5 * 360)
  pairs = [(train.domain(i), train.label(i)) for i in range(train.size)]
  _, counts = np.unique(pairs, axis=0, return_counts=True)
  assert np.ptp(counts.reshape(5, 10), axis=0).max() <= 1  # Of each class.
  original = leave_out.test(test, "original")
  inverted = leave_out.test(test, "inverted")
  pixels = lambda s: {s.read(i)["x"].tobytes() for i in range(s.size)}
  turned = {(255 - original.read(i)["x"]).tobytes() for i in range(360)}
  assert turned == pixels(inverted)
  assert not turned & pixels(leave_out.test(train, "inverted"))


@pytest.mark.parametrize("name,match", (
    ("sketsh", "no domain 'sketsh'; did you mean 'sketch'"),
    ("", None),
))
def test_an_unknown_domain_suggests_the_nearest(pacs, name, match):
  if match is None:
    assert opened(pacs, leave_out=name)[1]["train"].size == 18
    return
  with pytest.raises(ValueError, match=match):
    opened(pacs, leave_out=name)


def test_leaving_out_needs_domains_and_another_one(pacs):
  with pytest.raises(ValueError, match="leave_out='art' needs data that say"):
    opened(pacs, leave_out="art", train="photo", test="sketch")
  alone = leave_out.test(sources.open_source(str(pacs), "all"), "art")
  with pytest.raises(ValueError, match="it is the only domain of data.train"):
    leave_out.training(alone, "art")
