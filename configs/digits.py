"""Handwritten digits: any mixer and method, on a CPU, without a download.

    dmjax train --config digits:resnet8,cutmix,dm --workdir runs/digits
    dmjax train --config digits:resnet8,puzzlemix --workdir runs/puzzle
    dmjax train --config digits:deit_tiny,transmix,dm --workdir runs/transmix

1,437 training and 360 test images of 8x8 pixels, from scikit-learn. CutMix
takes about 20 s on two CPU cores. A small vision transformer is there for the
mixers that need attention; those that ask for saliency get input gradients.

Two methods train with any mixer:

    dmjax train --config digits:resnet8,mixupe --workdir runs/e
    dmjax train --config digits:resnet8,cutmix,regmixup --workdir runs/f

Another learns to tell rows of two digits apart, as speakers are told apart:

    dmjax train --config digits:resnet8,contrastive_mixup,dm --workdir runs/l
    dmjax probe --workdir runs/l --probes verification

SAM goes around any of them; around mixup it is G-Mix, `bgmix` and `dgmix` are
its two forms that tell examples apart:

    dmjax train --config digits:resnet8,mixup,sam --workdir runs/g
    dmjax train --config digits:resnet8,cutmix,dgmix,dm --workdir runs/h

Three mix in ways of their own, with the last batch, above one another, and with
augmentations; they are named where a mixer is:

    dmjax train --config digits:resnet8,recursivemix,dm --workdir runs/i
    dmjax train --config digits:resnet8,stackmix,dm --workdir runs/j
    dmjax train --config digits:resnet8,augmix --workdir runs/k

AutoMix, with the Mix Block of SAMix, takes about a minute: its mask can be
watched learning. A second run mixes by what it has learned:

    dmjax train --config digits:resnet8,automix --workdir runs/automix
    dmjax train --config digits:resnet8,mix_block,dm --workdir runs/b

AdAutoMix is trained alike. TransformMix learns from a trained network how to move
and mask images, and mixes for another run as well:

    dmjax train --config digits:resnet8,adautomix --workdir runs/adautomix
    dmjax train --config digits:resnet8 --workdir runs/teacher
    dmjax train --config digits:resnet8,transformmix --workdir runs/transformmix
    dmjax train --config digits:resnet8,transformed,dm --workdir runs/m

Semi-supervised training with 20, 40 or 100 labels takes about as long:

    dmjax train --config digits:fixmatch,40 --workdir runs/c
    dmjax train --config digits:fixmatch,40,mixup,dm --workdir runs/d
"""

import itertools

import ml_collections

from dmjax import config as config_lib
from dmjax import mixers
from dmjax.configs import build
from dmjax.configs import digits_learned as learned
from dmjax.configs import publications
from dmjax.configs import sections
from dmjax.configs import semi
from dmjax.configs import table
from dmjax.configs import words

DATA = {
    "name": "digits", "train": "train", "test": "test", "mean": (0.3053,),
    "std": (0.3761,), "crop_padding": 1, "crop_mode": "constant",
    "flip": False,
}

_SHARPNESS = sections.sharpness(0.05)

_RESNET = table.Recipe(
    batch_size=64,
    optimizer=sections.sgd(0.1, 5e-4),
    loss={"name": "mixup_cross_entropy"},
    mixes={},
    methods={
        "mixupe": {"method.eta": 0.1, "method.tau": 1.0},
        "regmixup": {"method.eta": 1.0, "mix.alpha": 10.0},
        "contrastive_mixup": {"method.kind": "ge2e", "data.per_class": 8},
        # At 100, the published one, shares of ten classes become 0 or 1.
        "sumix": {"method.gamma": 0.1, "method.strength": 1.0},
    },
    wraps=_SHARPNESS,
)
_LEARNING = _RESNET._replace(methods={}, wraps={"sam": _SHARPNESS["sam"]})
_DEIT = _RESNET._replace(
    optimizer=sections.adamw(1e-3, 1.0),
    model={"patch": 2, "width": 64, "depth": 4, "heads": 4}, methods={},
)
_DECOUPLED = {"name": "decoupled_cross_entropy", "eta": 0.1}

# The stages of ResNet-8 are 1 to 3, and its images have 8 x 8 pixels.
_OPTIONS = {
    "cutmix": {"alpha": 1.0, "per_batch": False},
    "alignmix": {"stages": (3,)},
    "manifold_mixup": {"stages": (0, 1, 2)},
    "puzzlemix": {"blocks": (2, 4, 8)},
    "attentivemix": {"alpha": 2.0},
}
# Methods that stand where a mixer is named: their `method` and `mix` sections.
_OWN_MIX = {
    "recursivemix": (
        {"name": "recursivemix", "alpha": 0.5, "weight": 0.1},
        {"name": "resizemix"},
    ),
    "stackmix": ({"name": "stackmix"}, {"name": "identity"}),
    "augmix": (
        {"name": "augmix", "weight": 12.0, "severity": 3.0},
        {"name": "identity"},
    ),
}

def _needs_attention(mixer):
  guidance = mixers.guidance_of(mixers.MIXERS[mixer])
  return bool({"attention", "attentions"} & (guidance.before | guidance.after))


_ATTENTION = tuple(filter(_needs_attention, mixers.MIXERS))
_CONVOLUTIONAL = tuple(m for m in mixers.MIXERS if m not in _ATTENTION)
_ANY_NETWORK = ("identity", "mixup", "cutmix")


def _table(network, recipe, epochs, names):
  return table.Table(
      {network: recipe}, (epochs,), dict.fromkeys(names, ()), source="",
      plain=(*learned.METHODS, "augmix"),
  )


# With 20, 40 and 100 labels: a thousandth of the published steps, so the average
# follows sooner, what ramps up does so sooner, and pseudo-labels are believed
# sooner. Chosen on a fifth of the training digits, with 20 labels and 3 or 4
# seeds: top-1 of FixMatch at tau 0.95 / 0.8 was 83.0 / 88.1 %, of MixMatch at
# weight 3 / 10 / 30 79.6 / 85.3 / 70.6 %; at rates of 0.03 / 0.1 / 0.2 that of
# the labelled images alone, strongly augmented, was 79.5 / 82.7 / 82.1 %, of
# FixMatch 88.9 / 93.4 / 91.9 %, of MixMatch 83.8 / 88.5 / 90.9 %, and of MixMatch
# at 0.1 with temperature 0.25 90.4 %.
_LABELS = {"20": "2 per class", "40": "4 per class", "100": "10 per class"}
_SOON = {"ema_decay": 0.99}
_FEW = {
    "supervised": {},
    "pseudo_label": _SOON | {"tau": 0.8},
    "mixmatch": _SOON | {
        "weight": 10.0, "ramp_share": 0.4, "temperature": 0.25,
    },
    "remixmatch": _SOON | {"ramp_share": 0.4},
    "ict": _SOON | {"weight": 10.0},
    "fixmatch": _SOON | {"threshold": {"name": "fixed", "tau": 0.8}},
    "flexmatch": _SOON | {"threshold": {"name": "flexmatch", "tau": 0.8}},
    "freematch": _SOON,
    "softmatch": _SOON,
    "self_tuning": {"dim": 64, "momentum": 0.99},
}


def _few(share):
  return {
      method: semi.recipe(
          method, ratio=4, options=options, batch_size=32, ema_decay=0.99,
          optimizer=semi.OPTIMIZER | {"lr": 0.1},
          model={"name": "resnet8"}, data={"labels": share},
      )
      for method, options in _FEW.items()
  }


def _few_tables(word, share):
  """Every method by itself, and with the mixers it takes."""
  recipes = _few(share)
  yield _semi_table(recipes, ("identity",), word)
  for method, recipe in recipes.items():
    mixers_ = [mixer for mixer in recipe.mixes if mixer != "identity"]
    if mixers_:
      yield _semi_table({method: recipe}, mixers_, word)


def _semi_table(recipes, names, word):
  return table.Table(
      recipes, (600,), dict.fromkeys(names, ()), word, source="",
      plain=("identity",), unit="steps",
  )


SUITE = table.Suite("digits", DATA, (
    _table("resnet8", _RESNET, 60, (*_CONVOLUTIONAL, *learned.LEARNED)),
    _table("resnet8", _LEARNING, 30, learned.METHODS),
    _table("resnet8", _LEARNING, 60, _OWN_MIX),
    _table("deit_tiny", _DEIT, 60, (*_ANY_NETWORK, *_ATTENTION)),
    *itertools.chain.from_iterable(
        _few_tables(word, share) for word, share in _LABELS.items()
    ),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet8,cutmix,dm`."""
  choice = words.parse(arg, SUITE)
  config = _make(choice)
  if choice.smoke:
    whole = choice.mixer in (*learned.METHODS, *learned.LEARNED)
    return build.short(config) if whole else _smoke(config)
  return config


def _make(choice):
  recipe, mixer = choice.recipe, choice.mixer
  if choice.table.unit == "steps":
    config = build.make(SUITE, choice)
    config.evaluate.every = config.checkpoint.every = "100 steps"
    return config
  config = config_lib.default()
  config.batch_size = recipe.batch_size
  config.total = choice.table.length
  config.model = {"name": choice.network, "dtype": "float32", **recipe.model}
  config.data.update(DATA)
  config.optimizer = dict(recipe.optimizer)
  config.schedule.warmup = "2 epochs"
  config.published = publications.section(choice)
  if choice.wrap:
    config.wrap = recipe.wraps[choice.wrap]
  if mixer in learned.METHODS:
    return learned.learn(config, mixer)
  config.mix = {"name": mixer, **_OPTIONS.get(mixer, {})}
  if mixer in learned.LEARNED:
    config.mix = learned.LEARNED[mixer]
  config.loss = _DECOUPLED if choice.dm else recipe.loss
  if mixer in _OWN_MIX:
    config.method, config.mix = _OWN_MIX[mixer]
  if choice.method:
    _check_mixer(mixer, choice.method)
    build.lay_method_over(config, choice)
  return config


def _check_mixer(mixer, method):
  if mixer in _OWN_MIX:
    raise ValueError(
        f"{mixer} is a method of its own, as {method} is: keep one of the words"
    )


def _smoke(config):
  """Twenty steps of a narrower network on a few images."""
  config.update(total="20 steps", batch_size=32)
  config.schedule.warmup = "2 steps"
  config.data.update(train="train[:64]", test="test[:32]")
  config.data.per_class = min(config.data.per_class, 4)
  config.evaluate.batch_size = 32
  deit = {"width": 8, "depth": 2, "heads": 2}
  narrow = deit if "patch" in config.model else {"widths": (4, 8, 8)}
  config.model = config.model.to_dict() | narrow
  if config.data.labels:
    config.update(total="6 steps", batch_size=8)
    config.data.train, config.data.labels = "train", "2 per class"
  return config
