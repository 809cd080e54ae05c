"""Files of sound, and folders of them."""

import itertools

import numpy as np
import pytest

from dmjax.data import sounds
from dmjax.data import unreadable
from dmjax.data import wav_files
from tests.tiny_sounds import DATA
from tests.tiny_sounds import SPEAKERS
from tests.tiny_sounds import tone
from tests.tiny_sounds import write


@pytest.mark.parametrize("width", (1, 2, 3, 4))
@pytest.mark.parametrize("channels", (1, 2))
def test_pcm_of_any_width_becomes_16_bits(tmp_path, width, channels):
  values = np.array([-32768, -256, 0, 256, 32512])
  if width == 1:
    data = np.uint8(values // 256 + 128)[:, None]
  else:
    low = np.full((5, width - 2), 0x55, np.uint8)
    data = np.hstack([low, values.astype("<i2")[:, None].view(np.uint8)])
  other = np.roll(data, 1, axis=0)
  frames = np.hstack([data, other][:channels])
  write(tmp_path / "a.wav", frames.tobytes(), 44100, width, channels)
  samples, rate = wav_files.read(tmp_path / "a.wav")
  expected = np.mean([values, np.roll(values, 1)][:channels], axis=0)
  assert samples.dtype == np.int16 and rate == 44100
  np.testing.assert_array_equal(samples, np.round(expected))


def folder_of(root):
  """Two splits of two words, by two speakers."""
  names = itertools.product(("train", "test"), ("no", "yes"), SPEAKERS, (0, 1))
  for i, (split, word, speaker, take) in enumerate(names):
    write(root / split / word / f"{speaker}_{take}.wav", tone(i))
  return root


def test_a_folder_of_recordings_is_a_source(tmp_path):
  root = folder_of(tmp_path)
  write(root / "test" / "maybe" / "deep" / "ann_2.WAV", tone(99))
  (root / "train" / "no" / "notes.txt").write_text("no sound")
  assert wav_files.holds(root)
  source = sounds.open_folder(root, "train", DATA)
  assert source.size == 8 and source.class_names == ("maybe", "no", "yes")
  assert source.present == ("no", "yes")
  found = {source.read(i)["x"].tobytes(): source.label(i) for i in range(8)}
  assert found == {tone(i)[:320].tobytes(): 1 + i // 4 for i in range(8)}
  test = sounds.open_folder(root, "test", DATA)
  assert test.size == 9 and test.present == test.class_names


def test_a_folder_has_splits_by_file_name_and_slices(tmp_path):
  root = folder_of(tmp_path) / "train"
  data = {"sound": {**DATA["sound"], "names": "{speaker}_{take}.wav"}}
  assert wav_files.holds(root)
  parts = [
      sounds.open_folder(root, split, data)
      for split in ("all[speaker!=bob]", "all[speaker=bob]", "all[:50%]")
  ]
  assert [part.size for part in parts] == [4, 4, 4]
  found = {s.read(i)["x"].tobytes() for s in parts[:2] for i in range(4)}
  assert found == {tone(i)[:320].tobytes() for i in range(8)}
  with pytest.raises(ValueError, match="need a pattern .*data.sound.names"):
    sounds.open_folder(root, "all[speaker=bob]", DATA)
  data["sound"]["label"] = "speaker"
  labelled = sounds.open_folder(root, "all", data)
  assert labelled.class_names == ("ann", "bob") and labelled.size == 8


def test_what_is_no_folder_of_recordings_says_why(tmp_path):
  root = folder_of(tmp_path)
  with pytest.raises(ValueError, match="it has the splits .'test', 'train'"):
    sounds.open_folder(root, "valid", DATA)
  write(root / "odd" / "only" / "a.wav", tone(0))
  with pytest.raises(ValueError, match="one class only, .'only'"):
    sounds.open_folder(root, "odd", DATA)
  write(root / "odd" / "other" / "fast.wav", tone(0), rate=16000)
  with pytest.raises(ValueError, match="one rate .*wav: .*wav: "):
    sounds.open_folder(root, "train", DATA)
  (tmp_path / "pictures" / "a").mkdir(parents=True)
  (tmp_path / "pictures" / "a" / "x.png").touch()
  assert not wav_files.holds(tmp_path / "pictures")


def test_a_damaged_file_is_unreadable_and_says_why(tmp_path):
  write(tmp_path / "good.wav", tone(0))
  data = (tmp_path / "good.wav").read_bytes()
  write(tmp_path / "empty.wav", b"")
  write(tmp_path / "other.wav", tone(0), rate=16000)
  damaged = {
      "cut": (data[:301], "128 of 400 samples"), "zero": (b"", "is empty"),
      "head": (data[:20], "within its header"),
      "text": (b"x" * 99, "RIFF.*save it as plain PCM"),
      "float": (data[:20] + b"\3" + data[21:], "unknown format: 3; save"),
      "empty": (None, "0 of 0 samples"),
      "other": (None, "16000 .* must be 8000"),
      "gone": (None, "No such file"),
  }
  for name, (content, reason) in damaged.items():
    path = tmp_path / f"{name}.wav"
    if content is not None:
      path.write_bytes(content)
    with pytest.raises(unreadable.Unreadable, match=f"{name}.wav: .*{reason}"):
      wav_files.read_at(8000, path)
