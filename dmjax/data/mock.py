"""Images drawn from a seed: a dataset of no size, to try configurations on."""

import numpy as np

NUM_CLASSES = 10
_SIZES = {"train": 48, "test": 24}
_SIDE = 40


def read(split: str, index: int) -> tuple[np.ndarray, int]:
  """An example: noise around the colour of its class.

  Args:
    split: `train` or `test`.
    index: Of the example.

  Returns:
    `uint8[40, 40, 3]` and the class.
  """
  label = index % NUM_CLASSES
  rng = np.random.default_rng((list(_SIZES).index(split), index))
  colour = np.random.default_rng(label).integers(64, 192, size=3)
  noise = rng.integers(-64, 64, size=(_SIDE, _SIDE, 3))
  return (colour + noise).astype(np.uint8), label


def size(split: str) -> int:
  """Number of examples of a split; ValueError for one that is not there."""
  if split not in _SIZES:
    raise ValueError(f"dataset 'mock' has no split {split!r}; it has train, test")
  return _SIZES[split]
