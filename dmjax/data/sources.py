"""Opening a split: of a TFDS dataset, an embedded one, or a folder."""

from collections.abc import Callable, Mapping
import contextlib
import io
import logging
import os
import pathlib
import types
from typing import Any

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from dmjax import names
from dmjax.data import audio_features
from dmjax.data import base
from dmjax.data import digits
from dmjax.data import digits_domains
from dmjax.data import domains
from dmjax.data import downloads
from dmjax.data import feature_noise
from dmjax.data import fgvc_aircraft
from dmjax.data import mock
from dmjax.data import planetoid
from dmjax.data import sklearn_tables
from dmjax.data import speech_commands
from dmjax.data import spoken_digit
from dmjax.data import sst2
from dmjax.data import tiny_imagenet
from dmjax.data import uci_tables

# Builders for datasets that TFDS does not have.
BUILDERS: Mapping[str, Callable[..., tfds.core.DatasetBuilder]] = {
    "abalone": uci_tables.Abalone,
    "breast_cancer": sklearn_tables.BreastCancer,
    "citeseer": planetoid.CiteSeer,
    "cora": planetoid.Cora,
    "digits": digits.Digits,
    "digits_domains": digits_domains.DigitsDomains,
    "fgvc_aircraft": fgvc_aircraft.FgvcAircraft,
    "letter": uci_tables.Letter,
    "pubmed": planetoid.PubMed,
    "spambase": uci_tables.Spambase,
    "speech_commands": speech_commands.SpeechCommands,
    "spoken_digit": spoken_digit.SpokenDigit,
    "sst2": sst2.Sst2,
    "tiny_imagenet": tiny_imagenet.TinyImagenet,
    "wine": sklearn_tables.Wine,
}
# Those that are drawn from a seed: `split -> Source`, nothing is prepared.
DRAWN: Mapping[str, Callable[[str], base.Source]] = {
    "feature_noise": feature_noise.open_drawn,
}
# Those that come with scikit-learn: prepared when they are opened.
_EMBEDDED = ("breast_cancer", "digits", "digits_domains", "wine")

_FAILED = (
    downloads.Unreachable,
    tfds.download.DownloadError,
    requests.exceptions.RequestException,
)

_NEEDS_TENSORFLOW = (
    "preparing {name!r} needs TensorFlow, once: its builder encodes raw arrays."
    " Install it with `pip install 'dmjax[prepare]'` and run the command again;"
    " training does not need it."
)
_NO_DOWNLOAD = """\
{error}
Preparing {name!r} needs the network, once. Behind a proxy, set HTTPS_PROXY and
HTTP_PROXY. Or prepare it on another machine and copy its folder into
{directory}. Or download the file elsewhere and put it into
{directory}/downloads/manual."""

# TFDS suggests OpenCV, once per process, to read PNG files that PIL reads well.
logging.getLogger("absl").addFilter(
    lambda record: "OpenCV is not installed" not in record.getMessage()
)


def default_data_dir() -> pathlib.Path:
  """Where datasets are looked for: TFDS_DATA_DIR or ~/tensorflow_datasets."""
  return pathlib.Path(
      os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
  ).expanduser()


def open_source(
    name: str,
    split: str,
    data_dir: str = "",
    data: Mapping[str, Any] = types.MappingProxyType({}),
) -> base.Source:
  """Opens a split of a dataset that is prepared; never uses the network.

  Args:
    name: `digits`, `digits_domains`, `wine` or `breast_cancer`, a TFDS dataset
      (`cifar100`, `name/config:version`), the path of a folder of one's own, such
      as `root/<split>/<class>/*` of images, or `mock`, see `mock.open_mock`, for a
      few examples of noise.
    split: The split, in TFDS syntax (`train`, `train[:10%]`); the name of the
      sub-folder for a folder.
    data_dir: Where TFDS datasets lie; `default_data_dir()` if empty.
    data: The `data` section of a configuration, for the options of its kind.

  Returns:
    The source.

  Raises:
    ValueError: For a dataset that is unknown, of no known kind, not prepared,
      prepared in another file format than ArrayRecord, or without the split.
  """
  folder = pathlib.Path(name).expanduser()
  if os.sep in name and folder.is_dir():
    kinds = domains.DOMAINS.values()
    domain = next(domain for domain in kinds if domain.holds(folder))
    return domain.open_folder(folder, split, data)
  if name.startswith((".", "/", "~")):  # Names of TFDS have slashes inside.
    raise ValueError(f"data.name: there is no folder {name!r}")
  if name.split("/")[0] == "mock":
    return mock.open_mock(name, split, data)
  if name in DRAWN:
    return DRAWN[name](split)
  directory = pathlib.Path(data_dir).expanduser() if data_dir else None
  builder = _builder(name, directory or default_data_dir())
  return _open_builder(builder, name, split, data)


def prepare(name: str, data_dir: str = "") -> pathlib.Path:
  """Downloads and prepares a TFDS dataset as ArrayRecord files.

  Args:
    name: As in `open_source`.
    data_dir: Where to write.

  Returns:
    The folder of the prepared dataset.

  Raises:
    ValueError: For an unknown dataset, one whose preparation needs TensorFlow
      where that is not installed, or one whose files cannot be downloaded; for
      hosts that cannot be reached, within seconds.
  """
  directory = pathlib.Path(data_dir or default_data_dir()).expanduser()
  options = {"data_dir": directory, "file_format": "array_record"}
  dataset = name.split("/")[0].split(":")[0]
  if dataset in DRAWN:
    raise ValueError(f"dataset {name!r} is drawn, there is nothing to prepare")
  if dataset not in BUILDERS:
    _check_known(dataset)
  with _way_out(name, directory):
    if dataset in BUILDERS:
      builder = BUILDERS[dataset](**options)
    else:
      builder = tfds.builder(name, **options)
    builder.download_and_prepare()
  return pathlib.Path(builder.data_dir)


@contextlib.contextmanager
def _way_out(name, directory):
  """Turns what TFDS raises into errors that say what to do."""
  try:
    with downloads.from_hosts_that_answer():
      yield
  except AssertionError as error:  # No manual directory, with what to put there.
    raise ValueError(str(error)) from None
  except ModuleNotFoundError as error:
    if "tensorflow" not in str(error):
      raise
    raise ValueError(_NEEDS_TENSORFLOW.format(name=name)) from None
  except _FAILED as error:
    raise ValueError(
        _NO_DOWNLOAD.format(error=error, name=name, directory=directory)
    ) from None


def _builder(name, directory):
  try:
    with audio_features.audio_without_tensorflow():
      return read_only_builder.builder_from_files(name, data_dir=directory)
  except tfds.core.DatasetNotFoundError:
    pass
  if name in _EMBEDDED:
    with contextlib.redirect_stderr(io.StringIO()):
      with contextlib.redirect_stdout(io.StringIO()):
        prepare(name, str(directory))
    return read_only_builder.builder_from_files(name, data_dir=directory)
  _check_known(name.split("/")[0].split(":")[0])
  raise ValueError(
      f"dataset {name!r} is not prepared in {directory}; prepare it with"
      f" `dmjax prepare {name} --data_dir {directory}`, or name the folder that"
      " holds it with --config.data.dir"
  )


def _check_known(dataset):
  known = [*BUILDERS, *DRAWN, *tfds.list_builders(with_community_datasets=False)]
  if dataset not in known:
    raise ValueError(
        f"unknown dataset {dataset!r}; {names.suggest(dataset, known)} (or the"
        " path of a folder root/<split>/<class>/*.png)"
    )


def _open_builder(builder, name, split, data):
  features, key = dict(builder.info.features), base.keys_of(builder)[0]
  kinds = {k: d for k, d in domains.DOMAINS.items() if d.recognises(features, key)}
  if not kinds:
    raise ValueError(
        f"dataset {name!r} has inputs {key!r} of {features}, which is none of"
        f" {', '.join(domains.DOMAINS)}"
    )
  try:
    return next(iter(kinds.values())).open(builder, name, split, data)
  except NotImplementedError:
    raise ValueError(
        f"dataset {name!r} in {builder.data_dir} is not in ArrayRecord files,"
        f" which reading without TensorFlow needs; run `dmjax prepare {name}`"
        " with a --data_dir of its own"
    ) from None
