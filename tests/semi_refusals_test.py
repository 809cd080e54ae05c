"""What semi-supervised training refuses, and in what words."""

import numpy as np
import pytest

from dmjax.data import base
from dmjax.train import loop
from dmjax.train import run as run_lib
from tests import tiny_semi_config

FIXMATCH = {"name": "fixmatch", "ema_decay": 0.9}
MIXUP = {"name": "mixup"}
PUZZLEMIX = {"name": "puzzlemix", "alpha": 1.0, "blocks": 4}


@pytest.mark.parametrize(
    "changes,words",
    (
        ({"unlabelled.split": ""}, "'fixmatch' needs unlabelled.*split=train"),
        ({"method": {"name": "supervised"}}, "split='train.*'supervised' uses"),
        ({"unlabelled.split": "trian"}, "no split 'trian'.*mean 'train'"),
        ({"unlabelled.ratio": 0}, "unlabelled.ratio must be >= 1, got 0"),
        ({"unlabelled.cutout": 2.0}, "unlabelled.cutout must lie in .*got 2.0"),
        ({"unlabelled.auto_augment": "autoaugment"},
         "unlabelled.auto_augment must be a policy.*'autoaugment'"),
        ({"method.threshold.tau": 1.5}, "tau must lie in .*got 1.5"),
        ({"method.threshold.tau": 0.0}, "tau must lie in .*got 0.0"),
        ({"method.threshold.name": "flexmach"},
         "unknown threshold 'flexmach'; did you mean 'flexmatch'"),
        ({"method.threshold": "fixed"},
         "method.threshold must be a section of keys, got 'fixed'"),
        ({"method.threshold": {"name": "fixed", "taw": 0.9}},
         "threshold 'fixed' has no option 'taw'"),
        ({"data.labels": "foo"}, "data.labels must be a share.*'foo'"),
        ({"data.labels": "90 per class"}, "data.labels='90 per class': class"),
        ({"data.labels_seed": -1}, "data.labels_seed must lie in .*got -1"),
        ({"mix": PUZZLEMIX}, "mix must be a mixer without guidance.*saliency"),
        ({"method": FIXMATCH | {"heads": 3}, "mix": MIXUP}, "heads must.*3"),
        ({"method": FIXMATCH | {"weight": -1.0}}, "weight must be >= 0, got"),
        ({"method": FIXMATCH | {"wait": 1.0}}, "has no option 'wait'"),
        ({"method.ema_decay": 1.0}, r"ema_decay must lie in \[0, 1\), got 1.0"),
    ),
)
def test_what_does_not_fit_is_named_before_anything_is_written(
    changes, words, tmp_path, monkeypatch
):
  config = tiny_semi_config.get_config()
  for key, value in changes.items():
    section, _, last = key.rpartition(".")
    place = config
    for part in filter(None, section.split(".")):
      place = place[part]
    with place.ignore_type():
      place[last] = value

  def compiled(*_):
    raise AssertionError("something is compiled")

  monkeypatch.setattr(loop, "_train", compiled)
  with pytest.raises(ValueError, match=words):
    loop.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_unlabelled_images_of_another_shape_are_refused():
  blank = np.zeros((8, 9, 1), np.uint8)
  other = base.Source(
      lambda index: {"x": blank, "label": 0}, 160, tuple("0123456789")
  )
  with pytest.raises(ValueError, match=r"\(8, 8, 1\).*got \(8, 9, 1\)"):
    run_lib.assemble(tiny_semi_config.get_config(), unlabelled=other)
