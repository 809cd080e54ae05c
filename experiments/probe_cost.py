"""What probes cost: attacks in passes of the network, corruptions beside one.

    python -m experiments.probe_cost

PGD-10 as `dmjax probe` runs it, in turns with its eleven forward-backward
passes, and every corruption with the forward pass of what it has corrupted, in
turns with that pass alone. Writes `experiments/robustness/cost.md`.

Expected: an attack adds signs and clips to its passes, some operations a pixel,
so at most a tenth. A corruption is some operations a pixel too, beside a network
of some thousands; shot noise and blurs by wide kernels are the dearest.
"""

import argparse
from collections.abc import Sequence
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import models
from dmjax.evaluate import corruptions
from dmjax.evaluate import probes
from experiments import tables
from experiments import timing

OUT = pathlib.Path(__file__).parent / "robustness"
PASSES = 11  # Ten steps, and the prediction at the end.


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures and writes the table."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--network", default="resnet18")
  parser.add_argument("--pixels", type=int, default=32)
  parser.add_argument("--batch_size", type=int, default=32)
  parser.add_argument("--repeats", type=int, default=5)
  parser.add_argument("--corruptions", nargs="+",
                      default=[*corruptions.CORRUPTIONS])
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  (args.out / "cost.md").write_text(page(args, measure(args)))


def measure(args) -> dict[str, np.ndarray]:
  """Seconds of every program, `[repeats]`, all in turns."""
  network = models.create_network(args.network, num_classes=10)
  shape = (args.batch_size, args.pixels, args.pixels, 3)
  x = jax.random.uniform(jax.random.key(0), shape)
  batch = {
      "x": x, "label": jnp.arange(args.batch_size) % 10,
      "key": jax.random.split(jax.random.key(1), args.batch_size),
  }
  state = jax.jit(network.init)(jax.random.key(2), x[:1])
  model = probes.Model(
      network.predict, network, variables=lambda state: state, num_classes=10
  )
  attack = probes.PROBES["pgd"]
  case = attack.cases(probes.Options(eps=(8,)))[-1]
  measured = {
      "PGD-10": (attack.measure(model, case.program), case.setting),
      **{name: (probes.PROBES["corruptions"].measure(model, name),
                {"severity": 3.0})
         for name in ["", *args.corruptions]},
  }
  programs = {
      name: _program(outcomes, state, batch, setting)
      for name, (outcomes, setting) in measured.items()
  }
  programs["passes"] = _passes(network, state, batch)
  return timing.in_turns(programs, args.repeats)


def _program(outcomes, state, batch, setting):
  compiled = jax.jit(outcomes)
  setting = {name: np.float32(value) for name, value in setting.items()}
  return lambda key: compiled(state, batch, setting)


def _passes(network, state, batch):
  """Eleven forward-backward passes, each of what the one before gave."""

  def loss(x):
    logs = jax.nn.log_softmax(network.predict(state, x))
    return -jnp.take_along_axis(logs, batch["label"][:, None], 1).sum()

  # No smaller than a rounding error: otherwise the passes would be one.
  gradient = jax.jit(lambda x: x + 1e-6 * jax.grad(loss)(x))

  def run(key):
    del key
    x = batch["x"]
    for _ in range(PASSES):
      x = gradient(x)
    return x

  return run


def page(args, seconds: dict[str, np.ndarray]) -> str:
  """The ratios, and the medians they are of."""
  ratio = lambda first, second: float(np.median(seconds[first] / seconds[second]))
  forward = 1e3 * np.median(seconds[""])
  added = {name: 100 * (ratio(name, "") - 1) for name in args.corruptions}
  rows = [(name, f"{value:+.0f}") for name, value in added.items()]
  return f"""# What probes cost

    python -m experiments.probe_cost --network {args.network} --pixels {args.pixels} --batch_size {args.batch_size}

{args.network}, {args.batch_size} images of {args.pixels} px, {timing.hardware()}; medians of
{args.repeats} rounds in which all programs take turns.

PGD-10 takes **{ratio('PGD-10', 'passes'):.2f}** times its {PASSES} forward-backward passes
({1e3 * np.median(seconds['passes']):.0f} ms).

What a corruption adds to the forward pass of what it has corrupted
({forward:.0f} ms), in percent of it; the mean is {np.mean(list(added.values())):+.0f} %.
JPEG is computed on the host and not in this table.

{tables.markdown(('corruption', 'added, %'), rows)}
"""


if __name__ == "__main__":
  main()
