"""Recordings for tests, and their files."""

import wave

import numpy as np
from tensorflow_datasets.core import read_only_builder

from dmjax.data import audio_features

DATA = {"sound": {"seconds": 0.04, "window": 0.016, "bands": 8}}
SPEAKERS = ("ann", "bob")


def tone(seed, size=400):
  """Samples that the seed tells from all others."""
  return np.random.default_rng(seed).integers(-9000, 9000, size, np.int16)


def write(path, samples, rate=8000, width=2, channels=1):
  """A file of `samples`, `int16[S]` or bytes."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with wave.open(str(path), "wb") as file:
    file.setnchannels(channels)
    file.setsampwidth(width)
    file.setframerate(rate)
    data = samples if isinstance(samples, bytes) else samples.tobytes()
    file.writeframes(data)


def prepare(builder_class, directory):
  builder = builder_class(data_dir=directory, file_format="array_record")
  builder.download_and_prepare()


def opened(directory, name):
  """The builder of files, as `sources` has it."""
  with audio_features.audio_without_tensorflow():
    return read_only_builder.builder_from_files(name, data_dir=directory)
