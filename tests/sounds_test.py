"""Sound from published releases, splits by file name, and the domain."""

import itertools

import jax
import ml_collections
import numpy as np
import pytest
import tensorflow_datasets as tfds

from dmjax import augment
from dmjax import config as config_lib
from dmjax.data import sounds
from dmjax.data import speech_commands
from dmjax.data import spoken_digit
from tests.tiny_sounds import DATA
from tests.tiny_sounds import opened
from tests.tiny_sounds import prepare
from tests.tiny_sounds import SPEAKERS
from tests.tiny_sounds import tone
from tests.tiny_sounds import write


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
  """A release of two speakers, two digits, recordings 0, 5 and 11."""
  directory = tmp_path_factory.mktemp("digits")
  folder = directory / "downloads" / "manual" / spoken_digit.FOLDER
  names = itertools.product((3, 7), SPEAKERS, (0, 5, 11))
  for i, (digit, speaker, take) in enumerate(names):
    path = folder / "recordings" / f"{digit}_{speaker}_{take}.wav"
    write(path, tone(i, size=300 + 10 * i))
  prepare(spoken_digit.SpokenDigit, directory)
  return opened(directory, "spoken_digit")


def open_digits(builder, split, data=DATA):
  return sounds.open_dataset(builder, "spoken_digit", split, data)


def test_a_release_is_read_with_its_samples_and_labels(digits):
  source = open_digits(digits, "all")
  assert source.size == 12 and source.class_names == tuple("0123456789")
  found = {s["x"].tobytes(): s["label"] for s in map(source.read, range(12))}
  expected = {
      np.pad(tone(i, size=300 + 10 * i)[:320], (0, max(0, 20 - 10 * i)))
      .tobytes(): 3 if i < 6 else 7
      for i in range(12)
  }
  assert found == expected
  assert [source.label(i) for i in range(12)] == list(found.values())


@pytest.mark.parametrize("split,size,label", (
    ("train", 8, None), ("test", 4, None),  # By the rule of the data.
    ("all[:25%]", 3, None), ("train[:25%]", 2, None), ("all[-4:]", 4, None),
    ("train[recording<11]", 4, None), ("all[0<recording<=11]", 8, None),
    ("all[speaker=ann]", 6, None), ("all[speaker != ann]", 6, None),
    ("train[speaker=ann,digit=7]", 2, 7), ("test[digit<7]", 2, 3),
))
def test_a_split_is_what_file_names_say(digits, split, size, label):
  source = open_digits(digits, split)
  assert source.size == size
  examples = [source.read(i) for i in range(size)]
  assert [e["label"] for e in examples] == [*map(source.label, range(size))]
  assert label is None or {e["label"] for e in examples} == {label}


def test_splits_of_one_key_part_the_recordings(digits):
  def of(split):
    source = open_digits(digits, split)
    return {source.read(i)["x"].tobytes() for i in range(source.size)}

  for parts in (("train", "test"), ("all[speaker=bob]", "all[speaker!=bob]")):
    first, second = map(of, parts)
    assert not first & second and first | second == of("all")


@pytest.mark.parametrize("split,error", (
    ("trian", "no split 'trian'; did you mean 'train'"),
    ("train[speeker=ann]", "no 'speeker'; did you mean 'speaker'"),
    ("train[speaker=anne]", "speaker=anne; did you mean 'ann'"),
    ("train[speaker!=anne]", "speaker=anne; did you mean 'ann'"),
    ("train[speaker==ann]", "'speaker==ann' .* is no condition; write"),
    ("train[speaker]", "'speaker' .* is no condition"),
    ("train[speaker<3]", "must compare whole numbers, but speaker is as"),
    ("train[recording>=x]", "recording>=x .* must compare whole numbers"),
    ("all[recording>99]", "no file is left of 'spoken_digit', split 'all.*'$"),
    ("train[recording<5]", r"no file is left .* \('train' has recording>=5\)"),
    ("train[:x]", r"\[:x\] of 'spoken_digit', split"),
    ("train[]", "must be a name"),
    ("train+test", "only splits that TFDS prepared can be added"),
))
def test_a_split_that_is_none_is_refused_by_name(digits, split, error):
  with pytest.raises(ValueError, match=error):
    open_digits(digits, split)


@pytest.mark.parametrize("pattern,error", (
    ("{speaker}-{take}.wav", "_.*wav' .* does not fit the pattern '{speaker}-"),
    ("{take}_{take}.wav", "must have fields as .*, each once"),
))
def test_a_pattern_that_names_do_not_fit_is_refused(digits, pattern, error):
  data = {"sound": {**DATA["sound"], "names": pattern}}
  with pytest.raises(ValueError, match=error):
    open_digits(digits, "train[take<1]", data)


def test_the_network_gets_standardised_log_mel_spectrograms(digits):
  source = open_digits(digits, "all")
  x = np.stack([source.read(i)["x"] for i in range(3)])
  batch = jax.jit(source.finish)({"x": x, "label": np.arange(3)}, ())
  expected = augment.standardise_each(augment.log_mel(
      np.float32(x) / 32768, rate=8000, window=0.016, bands=8
  ))
  assert batch["x"].shape == (3, 8, 5, 1) and batch["label"].shape == (3,)
  np.testing.assert_allclose(batch["x"], expected, atol=1e-4)
  assert (source.kind, source.mean, source.std) == ("sound", (0.0,), (1.0,))
  silence = source.finish({"x": np.zeros_like(x)}, ())["x"]
  assert abs(silence).max() < 0.01


def test_speech_commands_have_the_splits_of_their_lists(tmp_path):
  root = tmp_path / "downloads" / "manual" / speech_commands.FOLDER
  files = [
      f"{word}/{speaker}_nohash_{take}.wav"
      for word in ("yes", "no") for speaker in ("0a", "1b", "2c")
      for take in range(2)
  ]
  for i, name in enumerate([*files, "_background_noise_/tap.wav"]):
    write(root / name, tone(i, 800), rate=16000)
  lists = {"validation": "1b", "testing": "2c"}
  for split, speaker in lists.items():
    names = [name for name in files if speaker in name]
    (root / f"{split}_list.txt").write_text("\n".join(names) + "\n")
  prepare(speech_commands.SpeechCommands, tmp_path)
  builder = opened(tmp_path, "speech_commands")
  open_split = lambda split: sounds.open_dataset(
      builder, "speech_commands", split, DATA
  )
  train = open_split("train")
  assert train.num_classes == 35 and train.read(0)["x"].shape == (640,)
  found = {train.read(i)["x"].tobytes(): train.label(i) for i in range(4)}
  word = train.class_names.index
  assert found == {
      tone(i, 800)[:640].tobytes(): word(files[i].split("/")[0])
      for i in (0, 1, 6, 7)
  }
  sizes = {"validation": 4, "test[:50%]": 2, "train+test": 8, "test[take=1]": 2}
  for split, size in sizes.items():
    assert open_split(split).size == size


@pytest.mark.parametrize("builder_class", (
    spoken_digit.SpokenDigit, speech_commands.SpeechCommands,
))
def test_a_release_that_is_not_there_is_asked_for(builder_class, tmp_path):
  (tmp_path / "downloads" / "manual" / "other").mkdir(parents=True)
  with pytest.raises(ValueError, match=r"manual/\S+ does not hold"):
    prepare(builder_class, tmp_path)


def test_the_builders_leave_those_of_tfds_alone():
  for name in ("spoken_digit", "speech_commands"):
    module = tfds.builder_cls(name).__module__
    assert module.startswith("tensorflow_datasets.")


# The domain.


def configured(**sound):
  """A configuration of sounds, with all that is for images switched off."""
  config = config_lib.default().unlock()
  config.data.sound = ml_collections.ConfigDict(sounds.DEFAULTS)
  config.data.sound.update(sound)
  config.data.update(crop_padding=0, flip=False, name="spoken_digit")
  return config


EXAMPLE = {"x": np.zeros((1, 40, 65, 1), np.float32)}


def test_views_shift_and_mask_as_the_options_say():
  x = jax.random.normal(jax.random.key(0), (32, 40, 65, 1))
  still = sounds.make_views(configured())
  np.testing.assert_array_equal(still["weak"](jax.random.key(1), x), x)
  views = sounds.make_views(
      configured(shift=0.1, band_mask=5, time_mask=0.08)
  )
  seen = np.asarray(jax.jit(views["strong"])(jax.random.key(1), x))
  masked = seen[..., 0] == 0
  assert 1 < masked.all(axis=2).sum(axis=1).max() <= 5
  assert 1 < masked.all(axis=1).sum(axis=1).max() <= 8
  assert views["weak"] is views["strong"]


@pytest.mark.parametrize("changes,error", (
    ({"data.flip": True}, "data.flip is for images.*'sound'"),
    ({"data.sound.shift": 0.7}, r"shift must lie in \[0, 0.65\].*got 0.7"),
    ({"data.sound.time_mask": 1.0}, "65 frames, got 1.0"),
    ({"data.sound.band_mask": 41}, r"band_mask must lie in \[0, 40\]"),
    ({"data.sound.hop": 0.0}, "hop must be above 0, got 0.0"),
    ({"data.sound.rate": -1}, "rate must be a whole number 0 or more"),
))
def test_options_that_do_not_fit_are_refused(changes, error):
  config = configured()
  sounds.check(config, EXAMPLE)
  config.update_from_flattened_dict(changes)
  with pytest.raises(ValueError, match=error):
    sounds.check(config, EXAMPLE)


def test_a_rate_that_is_not_that_of_the_data_is_refused(digits):
  with pytest.raises(ValueError, match="rate=16000, but .* has 8000 samples"):
    open_digits(digits, "all", {"sound": {"rate": 16000}})


def test_low_bands_are_drawn_at_the_bottom():
  x = np.linspace(-9, 9, 24, dtype=np.float32).reshape(2, 4, 3, 1)
  drawn = sounds.pictures(x)
  assert drawn.shape == x.shape and drawn.min() == 0 and drawn.max() == 1
  np.testing.assert_array_equal(
      drawn[:, 0], np.clip((x[:, 3] + 2) / 5, 0, 1)
  )


def test_a_field_of_the_file_names_is_the_label(digits):
  data = {"sound": {**DATA["sound"], "label": "speaker"}}
  source = open_digits(digits, "train", data)
  assert source.class_names == source.present == SPEAKERS and source.size == 8
  for name in SPEAKERS:
    one = open_digits(digits, f"train[speaker={name}]", data)
    assert one.class_names == (name,) and one.read(0)["label"] == 0
    rows = {one.read(i)["x"].tobytes() for i in range(4)}
    labels = {
        source.label(i) for i in range(8) if source.read(i)["x"].tobytes() in rows
    }
    assert labels == {SPEAKERS.index(name)}
  data["sound"]["label"] = "recording"
  assert open_digits(digits, "all", data).class_names == ("0", "5", "11")
  data["sound"]["label"] = "speeker"
  with pytest.raises(ValueError, match="sound.label='speeker'.*'speaker'"):
    open_digits(digits, "all", data)
