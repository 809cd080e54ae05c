"""The probe of corruptions: its cases, what it measures, and where it reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax.data import base as data_base
from dmjax.evaluate import corruptions
from dmjax.evaluate import probes
from dmjax.evaluate.probes.corruptions import overall
from dmjax.evaluate.probes.corruptions import PROBE

RNG = np.random.default_rng(0)
KEYS = jax.random.split(jax.random.key(0), 4)


def model():
  """Its logits are means of channels; the state scales them."""
  return probes.Model(
      logits=lambda state, x: state * jnp.mean(x, axis=(1, 2)),
      network=None, variables=None, num_classes=3,
  )


def test_cases_are_the_clean_rows_and_fifteen_times_five():
  clean, *others = PROBE.cases(probes.Options())
  assert (clean.series, clean.place, clean.program) == ("clean", 0, "")
  assert len(others) == 75 and len({case.name for case in others}) == 75
  assert [c.series for c in others[::5]] == list(corruptions.NAMES)
  assert [c.place for c in others[:5]] == [1, 2, 3, 4, 5]
  for case in others:
    on_host = case.series == "jpeg_compression"
    assert case.data == (case.name if on_host else "")
    assert case.program == ("" if on_host else case.series)
  assert others[-3].data == "jpeg_compression, 3"


def test_rows_are_corrupted_with_their_keys_and_then_judged():
  batch = {
      "x": jnp.float32(RNG.uniform(size=(4, 8, 9, 3))),
      "label": jnp.array([0, 1, 2, 0]), "key": KEYS,
  }
  noisy = jax.vmap(corruptions.gaussian_noise, (0, 0, None))
  noisy = jax.jit(noisy)(KEYS, batch["x"], 3.0)
  for program, x in (("", batch["x"]), ("gaussian_noise", noisy)):
    found = jax.jit(PROBE.measure(model(), program))(
        2.0, batch, {"severity": jnp.float32(3)}
    )
    expected = probes.judged(2 * x.mean((1, 2)), batch["label"])
    for key in ("hit", "nll"):
      np.testing.assert_allclose(found[key], expected[key], rtol=1e-5)


def rows(size=4):
  images = RNG.integers(0, 256, (size, 8, 8, 3), np.uint8)
  read = lambda i: {"x": images[i], "label": 1, "index": i}
  return data_base.Source(read, size, ("a", "b", "c")), images


def test_jpeg_encodes_the_test_rows_when_they_are_read():
  test, images = rows()
  case = PROBE.cases(probes.Options())[-1]
  row = PROBE.source(case, test, probes.Options()).read(2)
  expected = corruptions.jpeg_compression(images[2], 5)
  np.testing.assert_array_equal(row["x"], expected)
  assert (row["label"], row["index"]) == (1, 2)


@pytest.fixture
def folder(tmp_path):
  """Arrays whose pixels are the number of the row, labels from 0 to 2."""
  pixels = np.arange(20, dtype=np.uint8)[:, None, None, None]
  for name in corruptions.NAMES:
    np.save(tmp_path / f"{name}.npy", np.broadcast_to(pixels, (20, 8, 8, 3)))
  np.save(tmp_path / "labels.npy", np.arange(20, dtype=np.uint8) % 3)
  return tmp_path


def test_public_arrays_are_read_instead(folder):
  options = probes.Options(corrupted=str(folder))
  clean, *others = PROBE.cases(options)
  assert len(others) == 75 and not clean.data
  assert all(case.data and not case.program for case in others)
  case = next(c for c in others if c.series == "snow" and c.place == 3)
  source = PROBE.source(case, rows()[0], options)
  assert source.size == 4
  for index in range(4):
    row = source.read(index)
    assert row["x"].shape == (8, 8, 3) and (row["x"] == 8 + index).all()
    assert row["label"] == source.label(index) == (8 + index) % 3


def test_folders_that_do_not_fit_are_refused_before_anything_is_read(folder):
  ask = lambda path: PROBE.cases(probes.Options(corrupted=str(path)))
  with pytest.raises(ValueError, match="no folder .*absent"):
    ask(folder / "absent")
  np.save(folder / "frost.npy", np.zeros((20, 8, 8, 3), np.float32))
  with pytest.raises(ValueError, match="frost.npy must be uint8.*float32"):
    ask(folder)
  np.save(folder / "frost.npy", np.zeros((15, 8, 8, 3), np.uint8))
  with pytest.raises(ValueError, match=r"frost.npy .*20; got uint8 \[15, 8"):
    ask(folder)
  (folder / "frost.npy").write_bytes(b"")
  with pytest.raises(ValueError, match="cannot read .*frost.npy"):
    ask(folder)
  (folder / "frost.npy").unlink()
  (folder / "labels.npy").unlink()
  with pytest.raises(ValueError, match="lacks frost.npy, labels.npy"):
    ask(folder)


def test_arrays_of_other_rows_or_classes_are_refused(folder):
  options = probes.Options(corrupted=str(folder))
  case = PROBE.cases(options)[-1]
  with pytest.raises(ValueError, match="5 x 3 rows.*got 20"):
    PROBE.source(case, rows(3)[0], options)
  with pytest.raises(ValueError, match=r"\[0, 2\).*got 0 to 2"):
    test = rows()[0]._replace(class_names=("a", "b"))
    PROBE.source(case, test, options)


def test_overall_numbers_are_means_over_severities_and_corruptions():
  cases = PROBE.cases(probes.Options())
  hits = RNG.integers(0, 2, (76, 10)).astype(np.float32)
  nll = RNG.uniform(size=(76, 10)).astype(np.float32)
  outcomes = [{"hit": h, "nll": n} for h, n in zip(hits, nll)]
  metrics = PROBE.summarize(cases, outcomes, np.zeros(10, int))
  found = overall(cases, metrics)
  np.testing.assert_allclose(found["clean_error"], 1 - hits[0].mean())
  errors = 1 - hits[1:].reshape(15, 50).mean(1)
  np.testing.assert_allclose(list(found["error"].values()), errors, rtol=1e-5)
  np.testing.assert_allclose(
      list(found["nll"].values()), nll[1:].reshape(15, 50).mean(1), rtol=1e-5
  )
  assert list(found["error"]) == list(corruptions.NAMES)
  np.testing.assert_allclose(
      found["mean_corruption_error"], errors.mean(), rtol=1e-5
  )


def test_the_probe_is_for_images():
  assert PROBE.kinds == ("image",) and PROBE.metric == "top1"
