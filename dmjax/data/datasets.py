"""Facts about the datasets of the recipes, in one place."""

from typing import NamedTuple

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_CIFAR = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010)}


class Dataset(NamedTuple):
  """What a recipe has to know of a dataset.

  Attributes:
    name: Of its TFDS builder.
    mean: Of its channels, for pixels in [0, 1].
    std: Of its channels, for pixels in [0, 1].
    image_size: Side that networks are shown, unless a recipe says otherwise.
    num_classes: Number of classes.
    train: Split to train on.
    test: Split to evaluate on.
    train_size: Number of training examples.
    test_size: Number of test examples.
  """

  name: str
  mean: tuple[float, ...]
  std: tuple[float, ...]
  image_size: int
  num_classes: int
  train: str
  test: str
  train_size: int
  test_size: int


# The fine-grained sets are normalised as ImageNet is, where their networks come
# from; CIFAR's deviations are those every published recipe copies, the mean over
# images of the deviation within one.
DATASETS = {
    "digits": Dataset(
        "digits", (0.3053,), (0.3761,), 8, 10, "train", "test", 1437, 360
    ),
    "cifar10": Dataset(
        "cifar10", *_CIFAR.values(), 32, 10, "train", "test", 50_000, 10_000
    ),
    "cifar100": Dataset(
        "cifar100", *_CIFAR.values(), 32, 100, "train", "test", 50_000, 10_000
    ),
    "tiny_imagenet": Dataset(
        "tiny_imagenet", *_IMAGENET.values(), 64, 200, "train", "validation",
        100_000, 10_000,
    ),
    "imagenet": Dataset(
        "imagenet2012", *_IMAGENET.values(), 224, 1000, "train", "validation",
        1_281_167, 50_000,
    ),
    "cub200": Dataset(
        "caltech_birds2011", *_IMAGENET.values(), 224, 200, "train", "test",
        5_994, 5_794,
    ),
    "aircraft": Dataset(
        "fgvc_aircraft", *_IMAGENET.values(), 224, 100, "train", "test",
        6_667, 3_333,
    ),
    "cars": Dataset(
        "cars196", *_IMAGENET.values(), 224, 196, "train", "test", 8_144, 8_041
    ),
}
