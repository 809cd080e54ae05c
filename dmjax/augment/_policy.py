"""Policies of automatic augmentation, and the names they are written with."""

import re
from typing import NamedTuple


class Policy(NamedTuple):
  """What is drawn for a picture, how strong, and how many times.

  Attributes:
    space: Name in `SPACES`, or `3a` for `three_augment`. Those of `augmix` are
      blended in chains, by `augmix`.
    magnitude: Mean magnitude, from 0 to 10. The spaces `fixmatch` and `trivial`
      draw their levels evenly instead.
    std: Standard deviation of the magnitude.
    count: Operations drawn for a picture, with replacement.
  """

  space: str
  magnitude: float = 0.0
  std: float = 0.0
  count: int = 2  # pyright: ignore[reportIncompatibleMethodOverride]


# The parts that a name may have, and the count where it says none.
_NAMES = {
    "rand": (("m", "mstd", "inc", "n"), 2),
    "openmixup": (("m", "mstd", "n"), 2),
    "fixmatch": (("n",), 3),
    "trivial": ((), 1),
    "3a": ((), 1),
    "augmix": ((), 3),
}


def parse_policy(
    text: str, *, setting: str = "data.auto_augment"
) -> Policy:
  """Reads the name of a policy.

  | name | policy |
  |---|---|
  | `rand-m9-mstd0.5-inc1` | RandAugment as timm has it (arXiv 1909.13719) |
  | `openmixup-m7-mstd0.5` | RandAugment in OpenMixup's recipes for CIFAR |
  | `fixmatch-n3` | RandAugment in FixMatch (arXiv 2001.07685) |
  | `trivial` | TrivialAugment, wide (arXiv 2103.10158) |
  | `3a` | 3-Augment (arXiv 2204.07118) |
  | `augmix` | AugMix, without its loss (arXiv 1912.02781) |

  `m9-mstd0.5` are magnitudes N(9, 0.5^2) out of 10. With `inc1` every effect
  grows with the magnitude. `n3` are three operations a picture; without it
  there are two, in FixMatch three.

  Args:
    text: The name.
    setting: Key of the configuration, for the error message.

  Returns:
    The policy.

  Raises:
    ValueError: For what is no policy.

  Example:
    >>> augment.parse_policy("rand-m9-mstd0.5-inc1")
    Policy(space='timm_increasing', magnitude=9.0, std=0.5, count=2)
  """
  name, *parts = text.split("-")
  matches = [
      re.fullmatch(r"(mstd|m|inc|n)(\d+(?:\.\d+)?)", part) for part in parts
  ]
  if name not in _NAMES or not all(matches):
    raise _refusal(setting, text)
  values = {match[1]: float(match[2]) for match in matches if match}
  allowed, count = _NAMES[name]
  if excess := [key for key in values if key not in allowed]:
    raise _refusal(setting, text, f"; {name} has no {' and no '.join(excess)}")
  if "m" in allowed and not 0 <= values.get("m", -1) <= 10:
    raise _refusal(setting, text, "; m is a magnitude in [0, 10]")
  values = {"n": count, **values}
  if values["n"] < 1 or values["n"] % 1:
    raise _refusal(setting, text, "; n is a number of operations, 1 or more")
  return _policy(name, values)


def _policy(name: str, values: dict[str, float]) -> Policy:
  spaces = {"rand": "timm_increasing" if values.get("inc") else "timm"}
  return Policy(
      spaces.get(name, name), values.get("m", 0.0), values.get("mstd", 0.0),
      int(values["n"]),
  )


def _refusal(setting, text, reason=""):
  return ValueError(
      f"{setting} must be a policy such as 'rand-m9-mstd0.5-inc1',"
      " 'openmixup-m7-mstd0.5', 'fixmatch-n3', 'trivial', 'augmix' or '3a', got"
      f" {text!r}{reason}"
  )
