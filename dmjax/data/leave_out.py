"""Leaving a domain out: it is tested, and the others are trained on."""

from collections.abc import Sequence

import numpy as np

from dmjax import names
from dmjax.data import base
from dmjax.data import derived


def training(source: base.Source, name: str) -> base.Source:
  """The examples of all domains but one.

  Args:
    source: With domains.
    name: Of the domain that is left out.

  Returns:
    The source. Its domains are numbered anew, without a gap.

  Raises:
    ValueError: For a source without domains, an unknown one, and where no other
      is left.
  """
  _check(source, name)
  others = [other for other in source.domain_names if other != name]
  if not others:
    raise ValueError(
        f"data.leave_out={name!r} leaves nothing to train on: it is the only"
        " domain of data.train"
    )
  return _part(source, others)


def test(source: base.Source, name: str) -> base.Source:
  """The examples of one domain.

  Args:
    source: With domains.
    name: Of the domain that is left out of training.

  Returns:
    The source, of that domain alone.

  Raises:
    ValueError: For a source without domains, and an unknown one.
  """
  _check(source, name)
  return _part(source, [name])


def _check(source: base.Source, name: str):
  if not source.domain_names:
    raise ValueError(
        f"data.leave_out={name!r} needs data that say which domain an example"
        " comes from: 'digits_domains', 'spoken_digit' by speaker, a folder"
        " <domain>/<class>/*.png with --config.data.train=all"
        " --config.data.test=all, or recordings whose data.sound.names has a"
        " field {domain}"
    )
  if name not in source.domain_names:
    raise ValueError(
        f"data.leave_out: there is no domain {name!r};"
        f" {names.suggest(name, source.domain_names)}"
    )


def _part(source: base.Source, kept: Sequence[str]) -> base.Source:
  """The examples of some domains, whose numbers are their places in `kept`."""
  places = {source.domain_names.index(name): at for at, name in enumerate(kept)}
  found = np.array([source.domain(row) for row in range(source.size)])
  rows = np.flatnonzero(np.isin(found, list(places)))
  numbers = [places[number] for number in found[rows]]
  return derived.with_domains(derived.subset(source, rows), kept, numbers)
