"""ResNet strikes back (arXiv 2110.00476), as `imagenet.py` offers it.

Binary cross-entropy and LAMB; A3 for 100 epochs, A2 for 300.
"""

from dmjax.configs import sections
from dmjax.configs import table
from dmjax.configs.table import Changes


def _learned(lr, stage):
  """The Mix Block of ImageNet with the optimizer of the network."""
  blocks = sections.large(stage, sections.block(lr, 1e-3))
  return sections.learned(
      Changes(blocks), Changes(sections.bent(-1.0, dropout=0.1))
  )


_A3 = table.Recipe(
    batch_size=2048,
    optimizer=sections.lamb(8e-3),
    loss=sections.BCE,
    mixes={
        "mixup": 0.2, "cutmix": 0.2, "manifold_mixup": 0.2, "saliencymix": 0.2,
        "attentivemix": 2.0, "fmix": 0.2, "puzzlemix": sections.PUZZLEMIX,
        "resizemix": 1.0, "mixup_cutmix": sections.mixup_or_cutmix(0.1, 1.0),
    },
    schedule={"warmup": "5 epochs", "warmup_lr": 8e-8, "end_lr": 1e-6},
    data=sections.streaming(
        160, auto_augment=sections.rand_augment(6), test_image_size=224,
        test_resize=236,
    ),
    model=sections.STEM | sections.BF16,
    learned=_learned(8e-3, "stage3"),
)
_A2 = _A3._replace(
    optimizer=sections.lamb(5e-3),
    schedule={"warmup": "5 epochs", "warmup_lr": 5e-8, "end_lr": 1e-6},
    data=sections.streaming(
        224, auto_augment=sections.rand_augment(7), test_resize=236, repeats=3
    ),
    model=sections.STEM | sections.BF16 | {"drop_path": 0.05},
    learned=_learned(5e-3, "stage3"),
)


def _mobile(recipe, lr):
  """MobileNetV2 and EfficientNet have one stem, and drop no paths."""
  return recipe._replace(model=sections.BF16, learned=_learned(lr, "stage5"))


# ResNet-50, EfficientNet-B0 and MobileNetV2.
_A3_TOP1 = {
    "mixup": (77.66, 73.87, 70.17),
    "cutmix": (77.62, 73.46, 69.62),
    "mixup_cutmix": (78.08, 74.02, 69.86),
    "manifold_mixup": (77.78, 73.83, 70.05),
    "saliencymix": (77.93, 73.42, 69.69),
    "attentivemix": (77.46, 72.16, 67.32),
    "fmix": (77.76, 73.71, 70.10),
    "puzzlemix": (78.02, 74.10, 70.04),
    "resizemix": (77.85, 73.67, 69.94),
    "automix": (78.44, 74.61, 71.16),
    "samix": (78.64, 75.28, 71.24),
}
_A2_TOP1 = {
    "mixup": (79.39, 77.19, 72.78),
    "cutmix": (79.38, 77.24, 72.23),
    "mixup_cutmix": (79.80, 77.26, 72.87),
    "manifold_mixup": (79.47, 77.22, 72.34),
    "saliencymix": (79.42, 77.67, 72.07),
    "attentivemix": (79.34, 75.95, 70.30),
    "fmix": (79.05, 77.33, 72.79),
    "puzzlemix": (79.78, 77.35, 72.85),
    "resizemix": (79.94, 77.27, 72.50),
    "automix": (80.28, 77.58, 73.19),
    "samix": (None, 77.69, 73.42),
}
_NOTES = {
    "automix": table.EXTRAPOLATED,
    "samix": table.EXTRAPOLATED,
    "efficientnet_b0": "published with norms of epsilon 1e-3, here timm's 1e-5",
}


def _table(recipe, lr, epochs, top1, word, last):
  networks = {
      "resnet50": recipe,
      "efficientnet_b0": _mobile(recipe, lr),
      "mobilenetv2": _mobile(recipe, lr),
  }
  return table.Table(
      networks, (epochs,), top1, word, last=last, notes=_NOTES
  )


TABLES = (
    _table(_A3, 8e-3, 100, _A3_TOP1, "rsb_a3", 5),
    _table(_A2, 5e-3, 300, _A2_TOP1, "rsb_a2", 10),
)
