"""Sound: recordings that the network sees as log-mel spectrograms."""

from collections.abc import Mapping
import functools
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
import tensorflow_datasets as tfds

from dmjax import augment
from dmjax.data import audio_features
from dmjax.data import base
from dmjax.data import options
from dmjax.data import wav_files

# The options `data.sound`.
DEFAULTS: Mapping[str, Any] = {
    # Samples per second, where the data do not say; 0 for what they say.
    "rate": 0,
    # Length of an example: a longer recording is cut at its end, a shorter one
    # followed by silence.
    "seconds": 1.0,
    # Of a frame of the spectrogram, and from one to the next, in seconds.
    "window": 0.032,
    "hop": 0.010,
    # Mel bands.
    "bands": 40,
    # Largest shift in time, to either side, in seconds.
    "shift": 0.0,
    # SpecAugment: the most bands, and seconds, that are masked.
    "band_mask": 0,
    "time_mask": 0.0,
    # Pattern of the file names, as `{speaker}_{take}.wav`, for splits such as
    # `train[speaker!=ann]`; that of the dataset if empty.
    "names": "",
    # The field of the file names that is the label; that of the dataset if
    # empty.
    "label": "",
}
# Those that 0 has no meaning for.
_POSITIVE = ("seconds", "window", "hop", "bands")
# Deviations from the mean that are drawn black and white.
_BLACK, _WHITE = -2.0, 3.0


def open_dataset(
    builder: tfds.core.DatasetBuilder,
    name: str,
    split: str,
    data: Mapping[str, Any],
) -> base.Source:
  """A split of a TFDS dataset, see `audio_features.open_dataset`.

  Args:
    builder: Of a dataset that is prepared.
    name: Of the dataset.
    split: In TFDS syntax, or with conditions on the file names, as
      `train[speaker!=george]`.
    data: The `data` section.

  Returns:
    The source.

  Raises:
    ValueError: See there, and for options of `data.sound` out of range.
  """
  sound = _options(data)
  source, rate = audio_features.open_dataset(
      builder, name, split, rate=sound["rate"], pattern=sound["names"],
      label=sound["label"],
  )
  return source_of(source, rate, data, name)


def open_folder(
    root: pathlib.Path, split: str, data: Mapping[str, Any]
) -> base.Source:
  """A folder `root/<split>/<class>/*.wav`, see `wav_files.open_folder`.

  Args:
    root: The folder.
    split: Name of its sub-folder, or `all` for `root/<class>/*.wav`; with
      conditions where `data.sound.names` is set.
    data: The `data` section.

  Returns:
    The source.

  Raises:
    ValueError: See there, and for options of `data.sound` out of range.
  """
  sound = _options(data)
  source, rate = wav_files.open_folder(
      root, split, sound["names"], sound["label"]
  )
  return source_of(source, rate, data, str(root))


def source_of(
    source: base.Source, rate: int, data: Mapping[str, Any], name: str
) -> base.Source:
  """Recordings of one length, which become spectrograms in the step.

  Args:
    source: Of samples `int16[S]`, of any length.
    rate: Of the samples, per second.
    data: The `data` section.
    name: Of the dataset, for error messages.

  Returns:
    The source.

  Raises:
    ValueError: For options of `data.sound` out of range, and another rate.
  """
  sound = _options(data)
  if sound["rate"] not in (0, rate):
    raise ValueError(
        f"data.sound.rate={sound['rate']}, but {name!r} has {rate} samples a"
        " second; set it to 0"
    )
  size = round(sound["seconds"] * rate)

  def read(index):
    example = source.read(index)
    return example | {"x": _fit(example["x"], size)}

  return source._replace(
      read=read, kind="sound", mean=(0.0,), std=(1.0,),
      finish=functools.partial(_finish, rate=rate, sound=sound),
  )


def _options(data):
  sound = {**DEFAULTS, **data.get("sound", {})}
  for key, default in DEFAULTS.items():
    value = sound[key]
    if isinstance(default, str):
      continue
    if value < 0 or not value and key in _POSITIVE:
      least = "above 0" if key in _POSITIVE else "0 or more"
      kind = "a whole number " if isinstance(default, int) else ""
      raise ValueError(f"data.sound.{key} must be {kind}{least}, got {value}")
  return sound


def _fit(samples, size):
  """The beginning of `int16[S]`, or all of it and zeros: `int16[size]`."""
  return np.pad(samples[:size], (0, max(0, size - len(samples))))


def _finish(batch, shared, rate, sound):
  """Samples `int16[B, S]` as standardised spectrograms `[B, F, T, 1]`."""
  del shared
  spectrograms = augment.log_mel(
      jnp.asarray(batch["x"], jnp.float32) / 32768, rate=rate,
      window=sound["window"], hop=sound["hop"], bands=sound["bands"],
  )
  return batch | {"x": augment.standardise_each(spectrograms)}


def make_views(config: Any) -> dict[str, base.View]:
  """The views of a training spectrogram: shifted and masked; `strong` no more.

  Args:
    config: The configuration.

  Returns:
    `(key, x) -> x` by name.
  """
  sound, steps = _options(config.data), []
  frames = lambda option: round(sound[option] / sound["hop"])

  def add(step, most):
    if most:
      steps.append(functools.partial(step, most=most))

  add(augment.random_shift, frames("shift"))
  add(augment.mask_bands, sound["band_mask"])
  add(augment.mask_times, frames("time_mask"))
  view = functools.partial(augment.chain, steps=tuple(steps))
  return {"weak": view, "strong": view}


def check(config: Any, example: base.Arrays) -> None:
  """Raises ValueError for options of images, and views longer than the sound.

  Args:
    config: The configuration.
    example: A batch of one spectrogram.
  """
  options.check_no_image_options(config, "sound")
  sound = _options(config.data)
  bands, frames = example["x"].shape[1:3]
  most = {
      "shift": frames * sound["hop"], "time_mask": frames * sound["hop"],
      "band_mask": bands,
  }
  for key, value in most.items():
    if sound[key] > value:
      raise ValueError(
          f"data.sound.{key} must lie in [0, {value:g}], for spectrograms of"
          f" {bands} bands and {frames} frames, got {sound[key]}"
      )


def pictures(x: Any) -> np.ndarray:
  """Spectrograms to be drawn: low bands at the bottom, loud ones 1.

  Args:
    x: `[B, F, T, 1]`, standardised.

  Returns:
    `[B, F, T, 1]` in [0, 1].
  """
  upright = np.asarray(x, np.float32)[:, ::-1]
  return np.clip((upright - _BLACK) / (_WHITE - _BLACK), 0, 1)


DOMAIN = base.Domain(
    unit="recordings",
    recognises=audio_features.recognises,
    open=open_dataset,
    holds=wav_files.holds,
    open_folder=open_folder,
    views=make_views,
    check=check,
    pictures=pictures,
)
