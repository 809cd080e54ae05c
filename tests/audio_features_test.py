"""TFDS datasets of sound, as their features declare it, without TensorFlow."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

from dmjax.data import audio_features
from dmjax.data import sounds
from dmjax.data import unreadable
from tests.tiny_sounds import DATA
from tests.tiny_sounds import opened
from tests.tiny_sounds import prepare
from tests.tiny_sounds import tone

AUDIO = "tensorflow_datasets.core.features.audio_feature.Audio"


class Heard(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """Recordings that the test sets."""

  VERSION = tfds.core.Version("1.0.0")
  shape, dtype, samples = (), None, ()

  def _info(self):
    return self.dataset_info_from_configs(
        features=tfds.features.FeaturesDict({
            "audio": tfds.features.Tensor(shape=self.shape, dtype=self.dtype),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
        }),
        supervised_keys=("audio", "label"),
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    return {"train": self._generate_examples()}

  def _generate_examples(self):
    for i, samples in enumerate(self.samples):
      yield i, {"audio": samples, "label": i % 2}


def heard(monkeypatch, directory, samples, shape, rate=None):
  """A builder of files that declare `Audio`, as TFDS with TensorFlow writes."""
  dtype = samples[0].dtype
  for name, value in (("shape", shape), ("dtype", dtype), ("samples", samples)):
    monkeypatch.setattr(Heard, name, value)
  prepare(Heard, directory)
  path = directory / "heard" / "1.0.0" / "features.json"
  features = json.loads(path.read_text())
  sizes = [str(size or -1) for size in shape]
  features["featuresDict"]["features"]["audio"] = {
      "pythonClassName": AUDIO,
      "audio": {
          "dtype": str(dtype), "encoding": "none", "fileFormat": "wav",
          "shape": {"dimensions": sizes},
          **({"sampleRate": str(rate)} if rate else {}),
      },
  }
  path.write_text(json.dumps(features))
  return opened(directory, "heard")


def test_audio_features_are_read_without_tensorflow(monkeypatch, tmp_path):
  stereo = np.stack([tone(0), -tone(0) + 4], axis=1)
  for rate, directory in ((16000, "a"), (None, "b")):
    builder = heard(
        monkeypatch, tmp_path / directory, [stereo], (None, 2), rate
    )
    assert audio_features.recognises(dict(builder.info.features), "audio")
    data = {"sound": {**DATA["sound"], "rate": rate or 4000}}
    source = sounds.open_dataset(builder, "heard", "train", data)
    size = 640 if rate else 160
    expected = np.pad(np.full(400, 2), (0, 300))[:size]
    np.testing.assert_array_equal(source.read(0)["x"], expected)
  with pytest.raises(ValueError, match="does not say its rate; set --config"):
    sounds.open_dataset(builder, "heard", "train", DATA)
  with pytest.raises(ValueError, match="need file names"):
    sounds.open_dataset(builder, "heard", "train[speaker=x]", data)


def test_samples_beyond_16_bits_and_none_are_unreadable(monkeypatch, tmp_path):
  samples = [np.array([1 << 15]), np.array([], np.int64)]
  builder = heard(monkeypatch, tmp_path, samples, (None,), 8000)
  source = sounds.open_dataset(builder, "heard", "train", DATA)
  reasons = []
  for i in range(2):
    with pytest.raises(unreadable.Unreadable) as error:
      source.read(i)
    assert f"example {i} of 'heard'" in str(error.value)
    reasons.append(str(error.value).partition(": ")[2])
  assert sorted(reasons) == [
      "it has no samples", "samples must be of 16 bits, got 32768 to 32768"
  ]


def test_sound_is_recognised_by_its_features():
  features = {
      "audio": tfds.features.Tensor(shape=(None,), dtype=np.int64),
      "row": tfds.features.Tensor(shape=(16,), dtype=np.int64),
      "reals": tfds.features.Tensor(shape=(None,), dtype=np.float32),
      "image": tfds.features.Image(),
      "text": tfds.features.Text(),
  }
  assert [k for k in features if audio_features.recognises(features, k)] == [
      "audio"
  ]
  assert not audio_features.recognises(features, {"row": "row"})
