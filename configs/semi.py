"""Semi-supervised recipes: a few labels, and all images without theirs.

Each goes by its method and its number of labels, `cifar10:fixmatch,250`, with a
mixer `cifar10:fixmatch,250,cutmix,dm`. They are those of TorchSSL (arXiv
2110.08263), which trains as FixMatch does (arXiv 2001.07685): Wide ResNets, SGD
with Nesterov's momentum, 7/16 of a cosine, 2^20 steps, the running average
evaluated. FreeMatch and SoftMatch are those of USB (arXiv 2208.07204), whose
networks on CIFAR-100 are smaller: its figures and TorchSSL's do not compare.

Fine-grained sets have Self-Tuning (arXiv 2102.12903) with a share of the labels,
`cub200:self_tuning,15`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dmjax.configs import sections
from dmjax.configs import table

TORCHSSL = "TorchSSL (arXiv 2110.08263)"
USB = "USB (arXiv 2208.07204), 100 minus the error"
STEPS = 2**20

OPTIMIZER = {
    "name": "sgd", "lr": 0.03, "momentum": 0.9, "nesterov": True,
    "weight_decay": 5e-4, "decay_all": False, "clip_norm": 0.0,
}
# What is mixed by every row with a lambda of its own.
MIXES = {
    mixer: {"name": mixer, "alpha": 1.0, "per_batch": False}
    for mixer in ("mixup", "cutmix", "resizemix")
}
_BETA = {"name": "mixup", "alpha": 0.5, "per_batch": False}
_INSIDE = {"identity": _BETA, "mixup": _BETA}

# By method: its section, what mixes, and unlabelled images a labelled one.
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "pseudo_label": ({"name": "pseudo_label"}, {}, 7),
    "mixmatch": (
        {"name": "mixmatch", "weight": 100.0, "ramp_share": 0.4}, _INSIDE, 1,
    ),
    "remixmatch": ({"name": "remixmatch"}, _INSIDE, 1),
    "ict": ({"name": "ict"}, {"identity": MIXES["mixup"]}, 1),
    "self_tuning": ({"name": "self_tuning"}, MIXES, 1),
    **{
        name: (
            {"name": "fixmatch", "threshold": {"name": threshold}}, MIXES, 7
        )
        for name, threshold in (
            ("fixmatch", "fixed"), ("flexmatch", "flexmatch"),
            ("freematch", "freematch"), ("softmatch", "softmatch"),
        )
    },
}


def recipe(
    method: str, *, ratio: int | None = None, options: Mapping[str, Any] = {},
    **changes: Any,
) -> table.Recipe:
  """The recipe of a method; `supervised` for the labelled images alone.

  Args:
    method: A key of `METHODS`.
    ratio: Unlabelled images for each labelled one, that of `METHODS` if None.
    options: Options of the method that differ.
    **changes: Other fields that differ.

  Returns:
    The recipe.
  """
  base = table.Recipe(
      batch_size=64,
      optimizer=OPTIMIZER,
      loss=sections.CE,
      mixes=MIXES,
      schedule={"name": "cosine_7_16", "per_epoch": False},
      ema_decay=0.999,
  )
  if method in METHODS:
    section, mixes, published = METHODS[method]
    base = base._replace(
        method={**section, **options}, mixes=mixes,
        unlabelled={"split": "train", "ratio": ratio or published},
    )
  return base._replace(**changes)


def tables(
    model: Mapping[str, Any],
    top1: Mapping[str, Sequence[float | None]],
    labels: Mapping[str, str],
    *,
    source: str = TORCHSSL,
    weight_decay: float = 5e-4,
    unlabelled: str = "train",
    notes: Mapping[Any, str] = {},
) -> tuple[table.Table, ...]:
  """The recipes of one dataset, a table for each number of labels.

  Args:
    model: The network, with its name.
    top1: Published accuracies by method, one for each number of labels; () for
      a method without.
    labels: `data.labels` by the word of the number.
    source: Of the numbers.
    weight_decay: Of the optimizer.
    unlabelled: Split of the unlabelled images.
    notes: As in `Table`.

  Returns:
    The tables.
  """
  made = []
  for column, (word, share) in enumerate(labels.items()):
    recipes = {
        method: _fitted(method, model, share, weight_decay, unlabelled)
        for method in top1
    }
    numbers = tuple(
        each[column] if column < len(each) else None for each in top1.values()
    )
    made.append(_table(recipes, {"identity": numbers}, word, source, notes))
    for method, each in recipes.items():
      mixers = {mixer: () for mixer in each.mixes if mixer != "identity"}
      if mixers:
        made.append(_table({method: each}, mixers, word, source, notes))
  return tuple(made)


def _fitted(method, model, share, weight_decay, unlabelled):
  data = {"labels": share, "crop_mode": "reflect"}
  found = recipe(method, model=model, data=data)
  optimizer = {**found.optimizer, "weight_decay": weight_decay}
  if found.unlabelled:
    found = found._replace(unlabelled={**found.unlabelled, "split": unlabelled})
  return found._replace(optimizer=optimizer)


def _table(recipes, top1, word, source, notes):
  return table.Table(
      recipes, (STEPS,), top1, word, rule="best", last=0, source=source,
      sources={}, notes=notes, unit="steps",
  )


SELF_TUNING = "Self-Tuning (arXiv 2102.12903), from its repository"
_TEN_CROPS = {
    "self_tuning": (
        "published with ten crops, 10 times the rate for the head, and drops of"
        " the rate instead of a cosine"
    ),
}


def fine_grained(top1: Sequence[float]) -> tuple[table.Table, ...]:
  """Self-Tuning of a ResNet-50 from ImageNet with 15, 30 and 50 % of labels.

  Args:
    top1: Published accuracies with these.

  Returns:
    The tables.
  """
  tuned = recipe(
      "self_tuning", batch_size=24, pretrained=True,
      model={"name": "resnet50", **sections.STEM},
      optimizer={
          **OPTIMIZER, "lr": 1e-3, "weight_decay": 1e-4, "decay_all": True,
      },
      schedule={"name": "cosine", "per_epoch": False},
  )._replace(unlabelled={
      "split": "train", "ratio": 1, "auto_augment": "rand-m10-n2", "cutout": 0.0,
  })
  made = []
  for share, number in zip((15, 30, 50), top1):
    data = sections.streaming(
        224, (0.2, 1.0), test_resize=256, labels=f"{share} %"
    )
    each = {"self_tuning": tuned._replace(data=data)}
    mixers = {mixer: () for mixer in MIXES}
    made += [
        table.Table(
            each, (27_000,), numbers, f"{share}", rule="best", last=0,
            source=SELF_TUNING, sources={}, notes=_TEN_CROPS, unit="steps",
        )
        for numbers in ({"identity": (number,)}, mixers)
    ]
  return tuple(made)
