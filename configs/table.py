"""What recipes are written with: rows of tables, and sections they share.

Each dataset has a file with its recipes and its published accuracies, as data.
Sources are the configurations and result tables of OpenMixup (arXiv
2209.04851), which is the code of Decoupled Mixup (arXiv 2203.10761), AutoMix
(arXiv 2103.13027) and SAMix (arXiv 2111.15454); where another is used, the
table says so.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

OPENMIXUP = "OpenMixup (arXiv 2209.04851)"
ADAUTOMIX = "AdAutoMix (arXiv 2312.11954)"

# Results of the authors' own code that OpenMixup lists beside its own.
ORIGINAL = {"adautomix": ADAUTOMIX} | {
    mixer: f"{paper}, listed by {OPENMIXUP}"
    for mixer, paper in {
        "alignmix": "AlignMix (arXiv 2103.15375)",
        "comixup": "Co-Mixup (arXiv 2102.03065)",
        "mixpro": "MixPro (arXiv 2304.12043)",
        "smmix": "SMMix (arXiv 2212.12977)",
        "tlalign": "TL-Align (arXiv 2210.06455)",
        "tokenmix": "TokenMix (arXiv 2207.08409)",
    }.items()
}

# What is to be known of a mixer's or wrapper's numbers, whatever the dataset.
NOTES = {
    "adautomix": (
        "similarity is penalised, as in its code; as its paper means it:"
        " --config.method.cosine=reward"
    ),
    "alignmix": "alternates with manifold_mixup, as published",
    "attentivemix": (
        "self-taught, published with a frozen teacher of ImageNet:"
        " --config.method.teacher=pretrained/resnet18.safetensors"
    ),
    "bgmix": "our reading of Binary G-Mix: its abstract alone was at hand",
    "dgmix": "our reading of Decomposed G-Mix: its abstract alone was at hand",
    "fmix": (
        "published by code that draws masks from two rows of the spectrum,"
        " mended here"
    ),
    "mergemix": (
        "merges tokens once, by their last features, where the authors merge"
        " inside of the network; alternates with mixup"
    ),
    "mixpro": "alternates with mixup, as in OpenMixup",
    "saliencymix": (
        "published by code that places all boxes of a batch by one image,"
        " mended here"
    ),
    "smmix": "with the loss of the paper, alternates with mixup",
    "smoothmix": "published by code with inverted labels, mended here",
    "tlalign": "our reading of the paper; alternates with mixup, as in DeiT",
    "tokenmix": (
        "self-taught, published with a teacher's scores, alternates with mixup"
    ),
    "transmix": "alternates with mixup, as in OpenMixup",
}
EXTRAPOLATED = (
    "extrapolated: no configuration is published, settings are those of the"
    " nearest that is"
)


class Changes(NamedTuple):
  """What AutoMix or SAMix changes in a recipe.

  Attributes:
    method: Options of the method that differ from `automix.METHOD`.
    optimizer: Changes to the `optimizer` section.
    schedule: Changes to the `schedule` section.
    model: Changes to the `model` section.
  """

  method: Mapping[str, Any] = {}
  optimizer: Mapping[str, Any] = {}
  schedule: Mapping[str, Any] = {}
  model: Mapping[str, Any] = {}

  def then(self, more: "Changes") -> "Changes":
    """These changes with more of them, which come last."""
    return Changes(*({**a, **b} for a, b in zip(self, more)))


class Decoupled(NamedTuple):
  """A published setting of DM(CE), with an alpha and a decay of its own."""

  alpha: float
  eta: float
  select: str
  power: float
  weight_decay: float = 1e-4


class Recipe(NamedTuple):
  """How a network is trained, whatever the mixer.

  Attributes:
    batch_size: Over all devices.
    optimizer: The whole `optimizer` section.
    loss: The `loss` section without DM.
    mixes: By mixer, the alpha of Beta(alpha, alpha), one draw for a batch; or
      the whole `mix` section.
    schedule: Changes to the `schedule` section, whose rate holds in an epoch.
    data: Changes to the `data` section.
    model: Options of the network.
    ema_decay: Of the running average that is evaluated; 0 for none.
    pretrained: Whether training starts from torchvision's ImageNet parameters.
    method: The whole `method` section, where it is not supervised training.
    unlabelled: Changes to the `unlabelled` section.
    methods: Methods that train with any mixer in place of `method`, by their
      words in the argument, and what they change elsewhere: `{"mixupe":
      {"method.eta": 0.1, "mix.alpha": 2.0}}`.
    alone: Those of `methods` that need no mixer: they have `identity` where none
      is said.
    wraps: What can be laid around any method, by its words in the argument: the
      whole `wrap` section of each.
    changes: By mixer, what it changes elsewhere: `{"method.regions": True}`.
    decoupled: Settings of DM by mixer. Where nothing is published, that of the
      paper is used with the alpha and the weight decay of mixup CE.
    decoupled_note: What is to be known of them.
    learned: Changes of `automix`, `samix` and `adautomix`.
  """

  batch_size: int
  optimizer: Mapping[str, Any]
  loss: Mapping[str, Any]
  mixes: Mapping[str, Any]
  schedule: Mapping[str, Any] = {}
  data: Mapping[str, Any] = {}
  model: Mapping[str, Any] = {}
  ema_decay: float = 0.0
  pretrained: bool = False
  method: Mapping[str, Any] = {}
  unlabelled: Mapping[str, Any] = {}
  methods: Mapping[str, Mapping[str, Any]] = {}
  alone: tuple[str, ...] = ()
  wraps: Mapping[str, Mapping[str, Any]] = {}
  changes: Mapping[str, Mapping[str, Any]] = {}
  decoupled: Mapping[str, Decoupled] = {}
  decoupled_note: str = "alpha, eta and weight decay are those published"
  learned: Mapping[str, Changes] = {}


class Table(NamedTuple):
  """Published accuracies, and the recipes of their networks.

  Attributes:
    networks: Recipes by network, in the order of the columns. A semi-supervised
      recipe goes by the name of its method, and has its network in `model`.
    epochs: Lengths of training, the columns of each network. The first is that
      of the recipe; others are had by `--config.total='800 epochs'`.
    top1: By mixer, the numbers of the columns in percent, None for no number
      and () for none at all.
    word: Of the recipe in the argument; may be left out if a network has one.
    rule: Of the numbers: `best`, `last` or `median` of the evaluations.
    last: Over how many last evaluations; 0 for the whole run.
    source: Where the numbers are from; empty if nothing is published.
    sources: By mixer, where it is another.
    notes: By (network, mixer), mixer or network, what is to be known of them.
    costs: By (network, mixer) or network, what the source reports.
    plain: Mixers and methods without a DM form.
    unit: Of the lengths, `epochs` or `steps`.
  """

  networks: Mapping[str, Recipe]
  epochs: tuple[int, ...]
  top1: Mapping[str, tuple[float | None, ...]]
  word: str = ""
  rule: str = "median"
  last: int = 10
  source: str = OPENMIXUP
  sources: Mapping[str, str] = ORIGINAL
  notes: Mapping[Any, str] = {}
  costs: Mapping[Any, str] = {}
  plain: tuple[str, ...] = ("identity", "automix", "samix", "adautomix")
  unit: str = "epochs"

  @property
  def length(self) -> str:
    """Length of training of the recipes, as `total` says it."""
    return f"{self.epochs[0]} {self.unit}"


class Suite(NamedTuple):
  """All of one dataset: its name in arguments, its data section, its tables."""

  name: str
  data: Mapping[str, Any]
  tables: tuple[Table, ...]
