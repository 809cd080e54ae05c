"""From a `mix` section to a mixer, with what it needs."""

from collections.abc import Callable, Mapping
import functools
import inspect
from typing import Any, NamedTuple

from dmjax import mixers
from dmjax import names


class Mixer(NamedTuple):
  """A configured mixer.

  Attributes:
    mix: `mix(key, x, **guidance) -> Mixed`.
    guidance: What it needs to be given.
  """

  mix: Callable[..., mixers.Mixed]
  guidance: mixers.Guidance


def make_mixer(
    spec: Mapping[str, Any], learned: Callable[[str], Any] | None = None
) -> Mixer:
  """The mixer of a `mix` section.

  Args:
    spec: `name` and options. `choose` and `sometimes` hold specs themselves:
      `{"name": "choose", "mixers": (spec, spec), "probs": (.5, .5)}` and
      `{"name": "sometimes", "mixer": spec, "p": .5}`. A learned mixer names its
      run, `{"name": "automix", "workdir": "runs/a"}`.
    learned: `workdir -> mixer`, the Mix Block of a run; None to know none.

  Returns:
    The mixer.

  Raises:
    ValueError: For unknown mixers and options, and options out of range.
  """
  if not (hasattr(spec, "items") and isinstance(spec.get("name"), str)):
    raise ValueError(
        f"a mixer must be a section such as {{'name': 'mixup'}}, got {spec!r}"
    )
  spec = dict(spec)
  if spec["name"] in mixers.LEARNED and learned:
    return Mixer(_learned(spec, learned), mixers.needs())
  if spec["name"] in mixers.COMBINATORS:
    return _combinator(spec, learned)
  known = mixers.MIXERS | mixers.COMBINATORS
  mixer = names.configure("mixer", known, spec)
  return Mixer(mixer, mixers.guidance_of(mixer))


def stages_of(spec: Mapping[str, Any]) -> set[int]:
  """The stages of the network that a `mix` section can draw.

  Args:
    spec: As `make_mixer` takes it.

  Returns:
    The stages; empty for mixers of the input.
  """
  parts = [*spec.get("mixers", ()), *filter(None, [spec.get("mixer")])]
  stages = set().union(*map(stages_of, parts))
  mixer = mixers.MIXERS.get(spec["name"], mixers.identity)
  option = inspect.signature(mixer).parameters.get("stages")
  return stages | set(spec.get("stages", option.default) if option else ())


def _combinator(spec, learned):
  parts = []
  if "mixers" in spec:
    parts = [make_mixer(part, learned) for part in spec["mixers"]]
    spec["mixers"] = tuple(part.mix for part in parts)
  if "mixer" in spec:
    parts = [make_mixer(spec["mixer"], learned)]
    spec["mixer"] = parts[0].mix
  mixer = names.configure("mixer", mixers.COMBINATORS, spec)
  return Mixer(mixer, mixers.union(part.guidance for part in parts))


def _learned(spec, learned):
  name = spec["name"]
  if not spec.get("workdir"):
    raise ValueError(
        f"mixer {name!r} needs the workdir of a run that has learned to mix, such"
        f" as {{'name': {name!r}, 'workdir': 'runs/a'}}"
    )
  workdir = spec.pop("workdir")
  mixer = learned(workdir)
  if mixer.__name__ != name:
    raise ValueError(
        f"mix.workdir={workdir!r} has learned {mixer.__name__!r}, not {name!r};"
        f" take --config.mix.name={mixer.__name__}"
    )
  options = names.configure("mixer", mixers.LEARNED, spec).keywords
  return functools.partial(mixer, **options)
