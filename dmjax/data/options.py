"""Options of a configuration that are for one kind of input alone."""

from typing import Any

# What changes images, and how it is switched off on the command line.
_OFF = {
    "data.channels": "0",
    "data.image_size": "0",
    "data.test_image_size": "0",
    "data.test_resize": "0",
    "data.crop_scale": "'()'",
    "data.crop_padding": "0",
    "data.flip": "False",
    "data.jitter": "0",
    "data.auto_augment": "",
    "data.erase": "0",
    "data.cutout": "0",
}
# Likewise, where there are unlabelled data.
_UNLABELLED_OFF = {"unlabelled.auto_augment": "", "unlabelled.cutout": "0"}


def check_no_image_options(config: Any, kind: str) -> None:
  """Raises ValueError for options of images that are set, all of them named.

  Args:
    config: The configuration.
    kind: What its data are instead, as in `Source.kind`.
  """
  off = _OFF | (_UNLABELLED_OFF if config.unlabelled.split else {})
  found = [key for key in off if _get(config, key)]
  if found:
    ways = " ".join(f"--config.{key}={off[key]}" for key in found)
    raise ValueError(
        f"{', '.join(found)} {'is' if len(found) == 1 else 'are'} for images,"
        f" and data.name={config.data.name!r} is of kind {kind!r}; set {ways}"
    )


def _get(config, key):
  section, _, option = key.partition(".")
  return config[section][option]
