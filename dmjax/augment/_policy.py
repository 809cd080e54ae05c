"""Policies of RandAugment, and the names they are written with."""

import re
from typing import NamedTuple


class Policy(NamedTuple):
  """How strong the operations of RandAugment are, and how many.

  Attributes:
    magnitude: Mean magnitude, from 0 to 10.
    std: Standard deviation of the magnitude.
    increasing: Whether posterize, solarize and the enhancements grow stronger
      with the magnitude, as they do not in the original policy.
    count: Operations drawn for a picture, with replacement.
  """

  magnitude: float
  std: float = 0.0
  increasing: bool = False
  count: int = 2


def parse_policy(text: str) -> Policy:
  """Reads the names that timm gives policies.

  `rand-m9-mstd0.5-inc1` has magnitudes N(9, 0.5^2) out of 10, and operations
  whose effect grows with the magnitude; `n3` makes it three operations a
  picture instead of two.

  Args:
    text: The name.

  Returns:
    The policy.

  Raises:
    ValueError: For what is no policy.
  """
  name, *parts = text.split("-")
  options = {"mstd": 0.0, "inc": 0.0, "n": 2.0}
  for part in parts:
    match = re.fullmatch(r"(mstd|m|inc|n)(\d+(?:\.\d+)?)", part)
    if not match:
      name = None
    else:
      options[match[1]] = float(match[2])
  if name != "rand" or not 0 <= options.get("m", -1) <= 10:
    raise ValueError(
        "data.rand_augment must be a policy such as 'rand-m9-mstd0.5-inc1',"
        f" with a magnitude in [0, 10], got {text!r}"
    )
  return Policy(
      options["m"], options["mstd"], bool(options["inc"]), int(options["n"])
  )
