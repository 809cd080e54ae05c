"""The steps of `experiments.accelerator` in timm, on one GPU.

    python -m experiments.accelerator_torch

`torch.compile`, channels last, bfloat16 by autocast, SGD with momentum; images
are noise that lies on the device. Prints rows as JSON in the last line.
"""

import argparse
from collections.abc import Sequence
import json
import time

import numpy as np

from experiments import accelerator


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures both networks."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--repeats", type=int, default=20)
  args = parser.parse_args(arguments)
  networks = [c for c in accelerator.cells(smoke=False) if c.part == "networks"]
  print(json.dumps([measure(cell, args.repeats) for cell in networks]))


def measure(cell: accelerator.Cell, repeats: int) -> dict[str, str]:
  """The row of a network."""
  # pylint: disable=g-import-not-at-top
  import torch

  torch.backends.cudnn.benchmark = True
  step = step_of(cell)
  start = time.perf_counter()
  for _ in range(5):
    step()
  torch.cuda.synchronize()
  compiled = time.perf_counter() - start
  seconds = []
  for _ in range(repeats):
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    seconds.append(time.perf_counter() - start)
  each = float(np.median(seconds))
  return {
      "part": cell.part, "step": cell.name, "library": "timm",
      "pixels": cell.pixels, "batch": cell.batch, "dtype": "bfloat16",
      "compile_s": f"{compiled:.1f}", "ms": f"{1e3 * each:.3f}",
      "images_per_second": f"{cell.batch / each:.0f}", "gflop": "",
      "mib": f"{torch.cuda.max_memory_allocated() / 2**20:.0f}",
  }


def step_of(cell: accelerator.Cell):
  """A compiled step of training: forward, backward, update."""
  # pylint: disable=g-import-not-at-top
  import timm
  import torch

  name = cell.name.lower().replace("-", "")
  network = timm.create_model(name, num_classes=100)
  if cell.pixels <= 64:  # The stem of CIFAR.
    network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = torch.nn.Identity()
  network = network.cuda().to(memory_format=torch.channels_last)
  optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
  loss = torch.nn.CrossEntropyLoss()
  forward = torch.compile(lambda x, y: loss(network(x), y))
  shape = cell.batch, 3, cell.pixels, cell.pixels
  x = torch.rand(shape, device="cuda").to(memory_format=torch.channels_last)
  y = torch.arange(cell.batch, device="cuda") % 100

  def step():
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cuda", torch.bfloat16):
      value = forward(x, y)
    value.backward()
    optimizer.step()

  return step


if __name__ == "__main__":
  main()
