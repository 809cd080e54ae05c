"""DeiT, Swin and ConvNeXt on ImageNet, as `imagenet.py` offers them."""

from dmjax.configs import sections
from dmjax.configs import table
from dmjax.configs.table import Changes

# Published Swin features are those after patch merging; here `stage3` is the
# map before it, of twice the resolution. The Mix Block has no warm-up.
_SHARED = {"momentum_delay": 0.25, "skip": 0.2}
_SAMIX = Changes(sections.bent(-1.0, upsample="nearest", dropout=0.1))


def _learned(stage, lr, model=(), **changes):
  block = sections.block(lr, 1e-4, warmup="0 epochs")
  blocks = sections.large(stage, block, **_SHARED, **changes)
  return sections.learned(Changes(blocks, model=dict(model)), _SAMIX)


# Only AutoMix and DeiT-B drop paths.
_DEIT = table.Recipe(
    batch_size=1024,
    optimizer=sections.adamw(1e-3, 5.0),
    loss=sections.SMOOTH,
    mixes={
        "mixup": 0.2, "cutmix": 0.2,
        "mixup_cutmix": sections.mixup_or_cutmix(0.8, 1.0),
        "manifold_mixup": 0.2, "saliencymix": 0.2, "attentivemix": 2.0,
        "fmix": 0.2, "puzzlemix": sections.PUZZLEMIX, "resizemix": 1.0,
        **sections.TOKENS,
    },
    schedule=sections.per_step(5, 1e-5),
    data=sections.streaming(
        224, auto_augment=sections.rand_augment(9), jitter=0.4, erase=0.25,
        test_resize=256,
    ),
    model=sections.BF16,
    changes=sections.REGIONS | {
        "transmix": {"method.ema_decay": 0.99996, "schedule.end_lr": 1e-4},
    },
    learned=_learned("stage6", 1e-3, {"drop_path": 0.1}),
)
_DEIT_BASE = _DEIT._replace(
    model=sections.BF16 | {"drop_path": 0.1}, ema_decay=0.99996
)
_SWIN = _DEIT._replace(
    schedule=sections.per_step(20, 1e-5),
    model=sections.BF16 | {"drop_path": 0.2},
    changes={},
    learned=_learned("stage3", 1e-3),
)
_CONVNEXT = _SWIN._replace(
    batch_size=4096,
    optimizer=sections.adamw(4e-3, 0.0),
    schedule=sections.per_step(20, 1e-6),
    model=sections.STEM | sections.BF16 | {"drop_path": 0.1},
    ema_decay=0.9999,
    learned=_learned("stage3", 4e-3, end_momentum=0.99996),
)

# DeiT-T, DeiT-S, DeiT-B, Swin-T and ConvNeXt-T.
_TOP1 = {
    "identity": (73.91, 75.66, 77.09, 80.21, 79.22),
    "mixup": (74.69, 77.72, 78.98, 81.01, 80.88),
    "cutmix": (74.23, 80.13, 81.61, 81.33, 81.57),
    "mixup_cutmix": (74.50, 79.80, 81.83, 81.20, 82.10),
    "saliencymix": (74.17, 79.88, 80.72, 81.37, 81.33),
    "attentivemix": (74.07, 80.32, 82.42, 81.29, 81.14),
    "fmix": (74.41, 77.37, 79.84, 79.60, 81.04),
    "puzzlemix": (73.85, 80.45, 81.63, 81.47, 81.48),
    "resizemix": (74.79, 78.61, 80.89, 81.36, 81.64),
    "automix": (75.52, 80.78, 82.18, 81.80, 82.28),
    "samix": (75.83, 80.94, 82.85, 81.87, 82.35),
}
# DeiT-T, DeiT-S and DeiT-B: mixers by the attention of a class token.
_DEIT_TOP1 = {
    "transmix": (74.56, 80.68, 82.51),
    "tokenmix": (75.31, 80.80, 82.90),
    "smmix": (73.6, 81.10, None),
    "mixpro": (None, 81.30, None),
    "tlalign": (None, 80.60, None),
}
_NOTES = {
    "samix": table.EXTRAPOLATED,
    ("deit_tiny", "automix"): table.EXTRAPOLATED,
    ("deit_base", "automix"): table.EXTRAPOLATED,
    "mixpro": table.EXTRAPOLATED,
    "smmix": table.EXTRAPOLATED,
    "tlalign": table.EXTRAPOLATED,
    "tokenmix": table.EXTRAPOLATED,
}
_DEITS = {"deit_tiny": _DEIT, "deit_small": _DEIT, "deit_base": _DEIT_BASE}


def _table(networks, top1):
  return table.Table(
      networks, (300,), top1, rule="best", last=0, notes=_NOTES
  )


TABLES = (
    _table(_DEITS | {"swin_tiny": _SWIN, "convnext_tiny": _CONVNEXT}, _TOP1),
    _table(_DEITS, _DEIT_TOP1),
    _table({"convnext_tiny": _CONVNEXT}, {"manifold_mixup": (80.57,)}),
)
