"""What the ways of computing saliency and mixers cost on a CPU, side by side.

    python -m experiments.cpu_speed

Each plain form is run in turns with the one that is used: windows by gathered
rows against slices, a bump of all pixels against a row times a column, lambda by
the Beta distribution against the uniform one that Beta(1, 1) is. Then where the
time of small images goes. Writes `experiments/mixer_cost/cpu.md`.

Expected: slices read memory in order, so several times the speed of gathers, and
one image after the other fits the cache; exponentials of a row and a column
instead of all pixels save most of a bump; a uniform number costs a tenth of one
by rejection.
"""

import argparse
from collections.abc import Callable, Sequence
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import mixers
from dmjax.mixers import saliency
from experiments import tables
from experiments import timing

OUT = pathlib.Path(__file__).parent / "mixer_cost"
SMALL = (128, 32, 32, 3)
LARGE = (64, 224, 224, 3)
PARTS = ("mixup", "cutmix", "gridmix", "resizemix", "smoothmix", "fmix")


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures and writes."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--repeats", type=int, default=20)
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--smoke", action="store_true", help="tiny images")
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  shapes = [(4, 8, 8, 3)] * 2 if args.smoke else [SMALL, LARGE]
  seconds = timing.in_turns(programs(*shapes), args.repeats)
  (args.out / "cpu.md").write_text(page(seconds, args.repeats))


def programs(small, large) -> dict[tuple[str, str, str], Callable]:
  """Functions of a key: what, at which size, in which form."""
  found = {}
  for size, shape in (("small", small), ("large", large)):
    x = jax.random.uniform(jax.random.key(0), shape)
    found |= {
        ("fine_grained", size, "plain"): _of(gathered, x),
        ("fine_grained", size, "used"): _of(saliency.fine_grained, x),
        ("a bump", size, "plain"): _of(bumps, x, shape=shape, whole=True),
        ("a bump", size, "used"): _of(bumps, x, shape=shape, whole=False),
    }
  x = jax.random.uniform(jax.random.key(0), small)
  beta = lambda x, key: jax.random.beta(key, 1.0, 1.0, x.shape[:1])
  uniform = lambda x, key: jax.random.uniform(key, x.shape[:1])
  found |= {
      ("lambda", "small", "plain"): _of(beta, x),
      ("lambda", "small", "used"): _of(uniform, x),
      ("copy", "small", "parts"): _of(lambda x, key: x + 1, x),
  }
  for name in PARTS:
    mixer = mixers.MIXERS[name]
    of_key = lambda x, key, mixer=mixer: mixer(key, x).x
    found[name, "small", "parts"] = _of(of_key, x)
    if "lam" in mixers.options_of(mixer):
      given = functools.partial(mixer, lam=0.5)
      of_key = lambda x, key, mixer=given: mixer(key, x).x
      found[name, "small", "lambda given"] = _of(of_key, x)
  return found


def _of(function, x, **options):
  """The compiled function as one of a key, which it may do without."""
  takes_key = function is not saliency.fine_grained and function is not gathered
  call = functools.partial(function, **options)
  compiled = jax.jit(call if takes_key else lambda x, key: call(x))
  return lambda key: compiled(x, key)


def gathered(images: jax.Array) -> jax.Array:
  """`saliency.fine_grained` with windows of gathered rows, all images at once."""

  def between(sums, axis, reach):
    rows = np.arange(sums.shape[axis] - 1)
    after = np.minimum(rows + reach + 1, rows.size)
    before = np.maximum(rows - reach + 1, 0)
    take = functools.partial(jnp.take, sums, axis=axis)
    return take(after) - take(before)

  used = saliency._between
  saliency._between = between
  try:
    return jax.vmap(saliency._fine_grained)(saliency._levels(images))
  finally:
    saliency._between = used


def bumps(x, key, *, shape, whole):
  """One minus a Gaussian for each image, of all pixels or separable."""
  del x
  centre = jax.random.uniform(key, (shape[0], 2)) * shape[1]
  a, b = (
      jnp.square(jnp.arange(size)[None] - centre[:, i, None]) / shape[1]
      for i, size in enumerate(shape[1:3])
  )
  if whole:
    return -jnp.expm1(-(a[:, :, None] + b[:, None, :]))
  p, q = -jnp.expm1(-a)[:, :, None], -jnp.expm1(-b)[:, None, :]
  return p + q - p * q


def page(seconds: dict[tuple[str, str, str], np.ndarray], repeats: int) -> str:
  """The two tables."""
  ms = {name: 1e3 * float(np.median(values)) for name, values in seconds.items()}
  pairs = [
      (what, size, f"{ms[what, size, 'plain']:.2f}", f"{value:.2f}",
       f"{ms[what, size, 'plain'] / value:.1f}")
      for (what, size, form), value in ms.items() if form == "used"
  ]
  parts = []
  for (what, size, form), value in ms.items():
    if form == "parts":
      given = ms.get((what, size, "lambda given"))
      parts.append((what, f"{value:.2f}", f"{given:.2f}" if given else "-"))
  return f"""# On a CPU

    python -m experiments.cpu_speed

{timing.hardware()}, medians of {repeats} rounds in which all programs take turns;
small is {list(SMALL)}, large {list(LARGE)}.

{tables.markdown(('what', 'size', 'plain form, ms', 'as it is, ms', 'ratio'), pairs, names=2)}

Where the time of mixers of small images goes; a copy is what reading and writing the
images once takes, and alpha is 1, so that lambda is uniform. What is left is the
permutation, the masks and, for FMix, Fourier transforms and the choice of the
largest pixels.

{tables.markdown(('mixer', 'ms', 'lambda given, ms'), parts)}
"""


if __name__ == "__main__":
  main()
