"""PreActResNets as MixupE trains them (arXiv 2212.13381), for 800 epochs.

The authors' command is that of PreActResNet-50 on CIFAR-100. RegMixup (arXiv
2206.14502) is published with other networks. Their tables were not at hand.
"""

from typing import Any

from dmjax.configs import sections
from dmjax.configs import table

_MIXES = {"mixup": 2.0, "cutmix": 1.0, "manifold_mixup": 2.0}
_NOTES = {
    "mixupe": (
        "eta, tau, alpha and schedule are those of the authors' command for"
        " CIFAR-100, which takes batch statistics of clean images too:"
        " --config.method.statistics=both"
    ),
    "regmixup": "published with WideResNet-28-10 and ResNet-50",
}


def tables(
    regmixup_alpha: float, rho: float = 0.1, **model: Any
) -> tuple[table.Table, ...]:
  """The recipes of both networks.

  Args:
    regmixup_alpha: Of RegMixup: 10 on CIFAR-100, 20 on CIFAR-10.
    rho: Of SAM and G-Mix. Our choice.
    **model: Options of the networks.

  Returns:
    The tables; nothing is published that could be read.
  """
  recipe = table.Recipe(
      batch_size=100,
      optimizer=sections.sgd(0.1, 1e-4) | {"nesterov": True},
      loss=sections.CE,
      mixes=_MIXES,
      schedule={
          "name": "two_drops", "warmup": "10 epochs", "warmup_lr": 0.01,
      },
      data={"crop_mode": "constant"},
      model=model,
      methods={
          "mixupe": {
              "method.eta": 1e-3, "method.tau": 1.0, "mix.alpha": 2.0,
          },
          "regmixup": {"method.eta": 1.0, "mix.alpha": regmixup_alpha},
      },
      wraps=sections.sharpness(rho),
  )
  networks = {"preact_resnet18": recipe, "preact_resnet50": recipe}
  top1 = dict.fromkeys(("identity", *_MIXES), ())
  return (table.Table(networks, (800,), top1, source="", notes=_NOTES),)
