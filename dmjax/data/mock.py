"""Images drawn from a seed: a dataset of no size, to try configurations on."""

import numpy as np

from dmjax.data import base

NUM_CLASSES = 10
_SIZES = {"train": 48, "test": 24}
_SIDE = 40


def open_mock(split: str) -> base.Source:
  """Noise around the colour of a class, `uint8[40, 40, 3]`, in ten classes.

  Args:
    split: `train` or `test`.

  Returns:
    The source.

  Raises:
    ValueError: For another split.
  """
  if split not in _SIZES:
    raise ValueError(f"dataset 'mock' has no split {split!r}; it has train, test")

  def read(index):
    label = index % NUM_CLASSES
    rng = np.random.default_rng((list(_SIZES).index(split), index))
    colour = np.random.default_rng(label).integers(64, 192, size=3)
    noise = rng.integers(-64, 64, size=(_SIDE, _SIDE, 3))
    return {"x": (colour + noise).astype(np.uint8), "label": label}

  names = tuple(map(str, range(NUM_CLASSES)))
  return base.Source(read, _SIZES[split], names)
