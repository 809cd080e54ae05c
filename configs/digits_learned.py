"""Mixers that learn, on the digits: how they learn, and what is made of it."""

from typing import Any

import ml_collections

from dmjax.configs import adautomix
from dmjax.configs import automix
from dmjax.configs import plain

# Methods that learn to mix, by their word.
METHODS = ("automix", "adautomix", "transformmix")
# What was learned, by its word: the `mix` section of another run.
LEARNED = {
    "mix_block": {
        "name": "automix", "workdir": "runs/automix", "alpha": 2.0,
        "per_batch": False, "keep_lam": False,
    },
    "transformed": {
        "name": "transformmix", "workdir": "runs/transformmix", "alpha": 1.0,
        "per_batch": False, "keep_lam": False,
    },
}

# Training is a hundred times shorter than the published one, so the teacher
# follows sooner, the Mix Block learns faster, and its loss weighs more and is
# that of every mask by itself.
_AUTOMIX: dict[str, Any] = {
    "stage": "stage2",  # 4x4 features of 8x8 images.
    "mix_block": {"name": "samix"},
    "mask_loss": {
        "name": "mask_l1", "margin": 0.0, "variance": 1.0, "per_batch": False,
    },
    "mask_weight": 1.0,
    "momentum": 0.98,
    "end_momentum": 0.999,
    "groups": {"mix_block": {"lr": 0.5, "weight_decay": 0.0}},
}
_ADAUTOMIX = {
    key: _AUTOMIX[key] for key in ("stage", "momentum", "end_momentum", "groups")
}


def learn(
    config: ml_collections.ConfigDict, word: str
) -> ml_collections.ConfigDict:
  """Makes a configuration one of a method that learns to mix.

  Args:
    config: The configuration.
    word: One of `METHODS`.

  Returns:
    The same configuration.
  """
  if word == "transformmix":
    # At a weight of 1 the search ends by showing one image alone.
    config.mix = {"name": "mixup", "alpha": 1.0, "per_batch": False}
    config.method = {
        "name": "transformmix", "teacher": "runs/teacher", "lam_weight": 10.0,
    }
    config.optimizer = plain.adam(3e-3)
    return config
  if word == "adautomix":
    # Told nothing, its masks do not follow the shares of the labels.
    adautomix.adautomix(config, mix_block={"embed": True}, **_ADAUTOMIX)
    config.mix.mixer.per_batch = False
    return config
  automix.automix(config, **_AUTOMIX)
  config.mix.per_batch = False
  return config
