"""What recipes of tables, sound and graphs share: nothing of images."""

import ml_collections

from dmjax.configs import build
from dmjax.configs import table
from dmjax.configs import words

# Neither cropped nor flipped; normalised by what the source says.
DATA = {"crop_padding": 0, "flip": False, "mean": (), "std": ()}

# No length of training or network of MixupE's tables, sound and graphs is
# published (arXiv 2212.13381), nor are its settings there.
NOTES = {"mixupe": "settings are our choice: those published are of CIFAR-100"}


def adam(lr: float, weight_decay: float = 0.0) -> dict[str, object]:
  """Adam as PyTorch has it."""
  return {
      "name": "adam", "lr": lr, "weight_decay": weight_decay,
      "decay_all": True, "clip_norm": 0.0,
  }


def get_config(
    suite: table.Suite, arg: str, *, mock: str, test_mix: str = "mixup"
) -> ml_collections.ConfigDict:
  """The configuration that an argument names.

  Args:
    suite: The dataset.
    arg: Words such as `mlp,mixup,dm`.
    mock: The dataset of its smoke.
    test_mix: The mixer of the mixed test data; `identity` for none.

  Returns:
    The configuration.

  Raises:
    ValueError: For words that name none.
  """
  choice = words.parse(arg, suite)
  config = build.make(suite, choice)
  config.schedule.per_epoch = False
  config.evaluate.every = "5 epochs"
  config.evaluate.mix = {"name": test_mix}
  if not choice.smoke:
    return config
  config.data.update(name=mock, train="train", test="test")
  return build.short(config)
