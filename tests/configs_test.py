"""The recipes: published settings, written here by hand."""

import pytest

from dmjax import recipes


def at(config, path):
  """The value at `data.crop_mode`."""
  for key in path.split("."):
    config = config[key]
  return config.to_dict() if hasattr(config, "to_dict") else config


def check(argument, **expected):
  """That a recipe holds `section__key=value`."""
  config = recipes.load(argument)
  found = {key: at(config, key.replace("__", ".")) for key in expected}
  assert found == expected


def test_cifar100_resnet18_cutmix_dm():
  check(
      "cifar100:resnet18,cutmix,dm", total="200 epochs", batch_size=100,
      mix={"name": "cutmix", "alpha": 0.2, "per_batch": True},
      loss={
          "name": "decoupled_cross_entropy", "label_smoothing": 0.0,
          "eta": 0.1, "select": "less", "power": 0.5,
      },
      optimizer={
          "name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4,
          "decay_all": True, "clip_norm": 0.0,
      },
      schedule={
          "name": "cosine", "warmup": "0 steps", "warmup_lr": 0.0,
          "end_lr": 0.0, "per_epoch": True,
      },
      data__pipeline="resident", data__crop_padding=4,
      data__crop_mode="reflect", data__flip=True, data__image_size=0,
  )


@pytest.mark.parametrize("mixer, decay", (
    ("mixup", 1e-4), ("cutmix", 5e-4), ("attentivemix", 5e-4), ("fmix", 5e-4),
    ("saliencymix", 5e-4), ("resizemix", 5e-4), ("puzzlemix", 1e-4),
    ("manifold_mixup", 1e-4), ("gridmix", 1e-4), ("attentivemix,dm", 5e-4),
    ("mixup,dm", 1e-4), ("cutmix,dm", 5e-4),
))
def test_resnext50_on_cifar_decays_more_with_mixers_that_cut(mixer, decay):
  check(
      f"cifar100:resnext50_32x4d,{mixer}", optimizer__weight_decay=decay
  )
  check("cifar100:resnet18,cutmix", optimizer__weight_decay=1e-4)


def test_published_dm_has_an_alpha_of_its_own():
  check(
      "cifar100:resnet18,mixup,dm", mix__alpha=0.2, loss__eta=0.01,
      loss__select="more", loss__power=0.5,
  )
  check("cifar100:resnet18,mixup", mix__alpha=1.0)
  check(
      "cifar100:resnext50_32x4d,fmix,dm", mix__alpha=0.2, loss__eta=0.5,
      loss__select="both", loss__power=0.0,
  )
  check(
      "cifar100:resnet18,manifold_mixup,dm", mix__alpha=0.5, loss__eta=0.01
  )


def test_dm_without_a_published_setting_is_that_of_the_paper():
  for argument, alpha in (
      ("cifar10:resnet18,cutmix,dm", 0.2), ("cub200:resnet50,mixup,dm", 0.2),
      ("tiny_imagenet:resnet18,cutmix,dm", 1.0),
  ):
    check(
        argument, mix__alpha=alpha, loss__eta=0.1, loss__select="both",
        loss__power=0.0, loss__name="decoupled_cross_entropy",
    )


def test_cifar10_pads_with_zeros():
  check(
      "cifar10:resnet18,mixup", data__name="cifar10",
      data__crop_mode="constant", data__mean=(0.4914, 0.4822, 0.4465),
      data__std=(0.2023, 0.1994, 0.2010),
  )


def test_wide_resnet_trains_slower_for_400_epochs():
  check(
      "cifar100:wide_resnet28_8,mixup", total="400 epochs",
      optimizer__lr=0.03, optimizer__weight_decay=1e-3, mix__alpha=1.0,
  )


def test_deit_small_on_cifar100():
  check(
      "cifar100:deit_small,mixup_cutmix,dm",
      mix={
          "name": "choose", "probs": (0.5, 0.5), "per_batch": True,
          "mixers": (
              {"name": "mixup", "alpha": 0.8, "per_batch": True},
              {"name": "cutmix", "alpha": 1.0, "per_batch": True},
          ),
      },
      optimizer={
          "name": "adamw", "lr": 1e-3, "weight_decay": 0.05,
          "decay_all": False, "clip_norm": 5.0,
      },
      schedule__warmup="20 epochs", schedule__end_lr=1e-6,
      schedule__per_epoch=False, loss__label_smoothing=0.1,
      data__image_size=224, data__crop_scale=(0.8, 1.0), data__erase=0.0,
      data__auto_augment="openmixup-m7-mstd0.5",
  )
  check("cifar100:deit_small,cutmix", mix__alpha=2.0)
  check(
      "cifar100:swin_tiny,cutmix", optimizer__lr=5e-4, data__erase=0.0,
      data__auto_augment="openmixup-m7-mstd0.5", model__drop_path=0.2,
  )
  assert "drop_path" not in recipes.load("cifar100:deit_small,cutmix").model
  for mixer in ("automix", "samix"):
    check(f"cifar100:deit_small,{mixer}", model__drop_path=0.1)


def test_mixers_of_tokens_take_turns_with_mixup():
  for argument, first, second, probs in (
      ("cifar100:deit_small,transmix", ("mixup", 0.8), ("transmix", 1.0),
       (0.2, 0.8)),
      ("imagenet:deit_tiny,tokenmix", ("tokenmix", 1.0), ("mixup", 1.0),
       (0.9, 0.1)),
      ("imagenet:deit_small,mixpro", ("mixpro", 1.0), ("mixup", 1.0),
       (0.8, 0.2)),
      ("imagenet:deit_small,smmix", ("smmix", None), ("mixup", 1.0),
       (0.8, 0.2)),
  ):
    mix = recipes.load(argument).mix
    found = [(each["name"], each.get("alpha")) for each in mix.mixers]
    assert (found, mix.probs) == ([first, second], probs)
  check("imagenet:deit_small,smmix", method__regions=True)
  check("imagenet:deit_small,tokenmix", method__regions=False)
  check(
      "imagenet:deit_small,transmix", method__ema_decay=0.99996,
      schedule__end_lr=1e-4,
  )


def test_alignmix_takes_turns_with_manifold_mixup():
  for argument in ("cifar100:resnet18,alignmix", "tiny_imagenet:resnet18,alignmix",
                   "imagenet:resnet50,100ep,alignmix"):
    check(
        argument,
        mix={
            "name": "choose", "probs": (0.5, 0.5), "per_batch": True,
            "mixers": (
                {"name": "manifold_mixup", "alpha": 2.0, "per_batch": True},
                {"name": "alignmix", "alpha": 2.0, "per_batch": True},
            ),
        },
    )


def test_tiny_imagenet():
  check(
      "tiny_imagenet:resnet18,cutmix", total="400 epochs", optimizer__lr=0.2,
      data__crop_padding=0, data__crop_scale=(0.08, 1.0), mix__alpha=1.0,
      data__test="validation",
  )


def test_imagenet_resnet18_has_a_smaller_alpha_of_cutmix():
  for word in ("100ep", "300ep"):
    check(f"imagenet:resnet18,{word},cutmix", mix__alpha=0.2)
    check(
        f"imagenet:resnet50,{word},cutmix", mix__alpha=1.0, batch_size=256,
        total=f"{word[:3]} epochs", model__stem="imagenet",
        data__image_size=224, data__test_resize=256,
    )
    check(f"imagenet:resnet50,{word},mixup,dm", mix__alpha=1.0, loss__power=1.0)


def test_rsb_a3():
  check(
      "imagenet:resnet50,rsb_a3,mixup_cutmix,dm", total="100 epochs",
      batch_size=2048, data__image_size=160, data__test_image_size=224,
      data__test_resize=236, data__auto_augment="rand-m6-mstd0.5-inc1",
      optimizer={
          "name": "lamb", "lr": 8e-3, "weight_decay": 0.02, "decay_all": False,
          "clip_norm": 0.0,
      },
      loss={
          "name": "mixup_binary_cross_entropy", "threshold": 1.0, "power": 0.8
      },
      schedule__warmup="5 epochs", schedule__warmup_lr=8e-8,
      schedule__end_lr=1e-6, schedule__per_epoch=True,
      model__dtype="bfloat16",
  )
  check("imagenet:resnet50,rsb_a3,mixup_cutmix", loss__power=1.0)
  check(
      "imagenet:resnet50,rsb_a3,mixup,dm", mix__alpha=0.2,
      optimizer__weight_decay=0.02, loss__power=0.8,
  )
  check(
      "imagenet:efficientnet_b0,rsb_a3,automix", method__stage="stage5",
      optimizer__name="lamb", loss__name="mixup_binary_cross_entropy",
  )
  check(
      "imagenet:resnet50,rsb_a2,mixup", total="300 epochs", data__repeats=3,
      model__drop_path=0.05, optimizer__lr=5e-3,
  )
  assert "stem" not in recipes.load("imagenet:mobilenetv2,rsb_a2,mixup").model


def test_deit_swin_and_convnext_on_imagenet():
  check(
      "imagenet:deit_small,mixup_cutmix", total="300 epochs", batch_size=1024,
      optimizer__lr=1e-3, optimizer__clip_norm=5.0, data__jitter=0.4,
      schedule__warmup="5 epochs", schedule__end_lr=1e-5, data__erase=0.25,
      method__ema_decay=0.0,
  )
  for network in ("deit_tiny", "deit_small"):
    for mixer in ("cutmix", "mixup_cutmix,dm", "transmix"):
      assert "drop_path" not in recipes.load(f"imagenet:{network},{mixer}").model
  check("imagenet:deit_small,automix", model__drop_path=0.1)
  check(
      "imagenet:deit_base,cutmix", model__drop_path=0.1,
      method__ema_decay=0.99996,
  )
  check(
      "imagenet:swin_tiny,mixup", schedule__warmup="20 epochs",
      model__drop_path=0.2,
  )
  check(
      "imagenet:convnext_tiny,cutmix,dm", batch_size=4096, optimizer__lr=4e-3,
      optimizer__clip_norm=0.0, method__ema_decay=0.9999, mix__alpha=0.2,
  )


def test_fine_grained_training_starts_from_imagenet():
  check(
      "cub200:resnet18,cutmix", pretrained="pretrained/resnet18.safetensors",
      batch_size=16, optimizer__lr=1e-3, optimizer__weight_decay=5e-4,
      data__name="caltech_birds2011", data__crop_scale=(0.5, 1.0),
      mix__alpha=1.0,
  )
  started = {
      row.argument.split(":")[0] for row in recipes.rows()
      if any("torchvision" in note for note in row.notes)
  }
  assert started == {"cub200", "aircraft", "cars"}


def test_automix_on_cifar100():
  check(
      "cifar100:resnet18,automix",
      mix={"name": "mixup", "alpha": 2.0, "per_batch": True},
      loss={"name": "mixup_cross_entropy", "label_smoothing": 0.0},
      schedule__end_lr=0.05,
      method={
          "name": "automix", "stage": "stage3",
          "mix_block": {"name": "automix"},
          "mask_loss": {"name": "mask_l1", "per_batch": True},
          "mask_weight": 0.1, "mask_decay": False, "lam_margin": 0.08,
          "skip": 0.0, "momentum": 0.999, "end_momentum": 0.999999,
          "momentum_delay": 0.1, "groups": {"mix_block": {}},
      },
  )


def test_samix_on_cub200():
  check(
      "cub200:resnet18,samix", method__stage="stage3",
      method__mix_block={"name": "samix", "bend": 1.0, "dropout": 0.1},
      method__mask_loss={"name": "mask_l1", "per_batch": True, "variance": 2.0},
      method__mask_decay=True, method__end_momentum=0.99999,
      method__groups={"mix_block": {"lr": 0.01, "end_lr": 5e-4}},
  )
  check("aircraft:resnet18,samix", method__end_momentum=0.99996)
  check("aircraft:resnet18,automix", method__end_momentum=0.99999)


def test_automix_of_transformers_looks_deeper_and_skips():
  check(
      "cifar100:deit_small,samix", method__stage="stage6",
      optimizer__lr=7.5e-4, optimizer__clip_norm=20.0,
      schedule__warmup="20 epochs", schedule__end_lr=1e-4,
      method__mix_block={
          "name": "samix", "bend": -1.0, "upsample": "nearest", "dropout": 0.1,
      },
  )
  for network in ("swin_tiny", "convnext_tiny"):
    check(
        f"cifar100:{network},samix", method__mix_block__dropout=0.1,
        method__groups__mix_block__warmup="0 epochs",
        schedule__warmup="20 epochs",
    )
  check(
      "imagenet:swin_tiny,automix", method__skip=0.2, method__stage="stage3",
      method__mix_block={"name": "automix", "embedding": "concat"},
      method__groups__mix_block__warmup="0 epochs",
      schedule__warmup="20 epochs",
  )


def test_a_backbone_may_differ_from_its_table():
  still = "method__groups"
  fast = {"lr": 0.1, "end_lr": 1e-3}
  for mixer in ("automix", "samix"):
    check(f"imagenet:resnet50,100ep,{mixer}",
          **{still: {"mix_block": fast | {"momentum": 0.0}}})
  for other in ("resnet34,100ep,samix", "resnet34,100ep,automix",
                "resnet50,300ep,automix"):
    check(f"imagenet:{other}", **{still: {"mix_block": fast}})
  check("tiny_imagenet:resnet18,samix", method__mix_block__bend=-1.0)
  check("tiny_imagenet:resnext50_32x4d,samix", method__mix_block__bend=0.25)
  check("cars:resnet18,automix", total="200 epochs")
  check("cifar100:wide_resnet28_8,manifold_mixup", mix__stages=(0, 1))


def test_the_teacher_takes_the_place_of_the_running_average():
  for argument in ("imagenet:convnext_tiny,automix", "digits:resnet8,automix"):
    method = recipes.load(argument).method
    assert "ema_decay" not in method and "saliency" not in method


def test_saliencymix_is_guided_by_a_map_that_needs_no_network():
  check("cifar100:resnet18,saliencymix,dm", method__saliency="fine_grained")
  check("cifar100:resnet18,puzzlemix,dm", method__saliency="input_gradient")


def test_a_trained_mix_block_mixes_with_the_dm_of_cutmix():
  cutmix = recipes.load("cifar100:resnet18,cutmix,dm")
  config = recipes.load("cifar100:resnet18,mix_block,dm")
  assert config.mix.to_dict() == {
      "name": "automix", "workdir": "runs/resnet18_automix_cifar100",
      "alpha": 2.0, "per_batch": True, "keep_lam": False,
  }
  for key in ("loss", "optimizer", "schedule", "data", "method", "total"):
    assert config[key] == cutmix[key]


def test_the_first_run_is_short():
  check(
      "digits:resnet8,cutmix,dm", total="60 epochs", batch_size=64,
      mix={"name": "cutmix", "alpha": 1.0, "per_batch": False},
      loss={"name": "decoupled_cross_entropy", "eta": 0.1},
      schedule__warmup="2 epochs", optimizer__weight_decay=5e-4,
      data__flip=False, data__crop_padding=1,
  )
