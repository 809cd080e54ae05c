"""How fast 224 px training images come out of JPEG files.

    python -m experiments.input_rate

Writes JPEGs of 500x375 pixels into ArrayRecord files, then measures images per
second of decoding, RandomResizedCrop to 224 and batching: by a plain loop over
files with PIL, and by the streaming pipeline with threads and with workers. The
result is `experiments/input_rate/`: results.csv and README.md. With another
Pillow in a folder, such as Pillow-SIMD, both are measured in turns (see `BESIDE`).
"""

import argparse
from collections.abc import Callable, Sequence
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import PIL
from PIL import Image

from dmjax import config as config_lib
from dmjax.data import crops
from dmjax.data import pipelines
from dmjax.data import sources
from experiments import photographs
from experiments import tables

OUT = pathlib.Path(__file__).parent / "input_rate"
BESIDE = """
The second Pillow is Pillow-SIMD built with AVX2, measured in turns with the first:

    CC='cc -mavx2' pip install --no-deps --target simd pillow-simd
    python -m experiments.input_rate --repeats 5 --beside simd
"""
COLUMNS = ("pillow", "input", "workers", "images_per_second")


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures and writes."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--batches", type=int, default=100)
  parser.add_argument("--batch_size", type=int, default=32)
  parser.add_argument("--workers", type=int, nargs="*", default=(0, 1, 2))
  parser.add_argument("--repeats", type=int, default=1)
  parser.add_argument("--beside", help="folder of another Pillow")
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  results = []
  for _ in range(args.repeats):
    results += measured(args)
    if args.beside:
      results += elsewhere(args)
  tables.write(args.out / "results.csv", results, COLUMNS)
  (args.out / "README.md").write_text(report(results))


def measured(args: argparse.Namespace) -> list[dict[str, str]]:
  """A row for the loop, and one for each number of workers."""
  count, size = args.batches, args.batch_size
  loop = plain(photographs.files(), size)
  rows = [("PIL loop", "-", rate(loop, count, size))]
  with tempfile.TemporaryDirectory() as directory:
    photographs.prepare(directory)
    for workers in args.workers:
      following = streaming(directory, workers, size)
      rows.append(("streaming", workers, rate(following, count, size)))
  return [
      dict(zip(COLUMNS, (PIL.__version__, name, str(workers), f"{value:.1f}")))
      for name, workers, value in rows
  ]


def elsewhere(args: argparse.Namespace) -> list[dict[str, str]]:
  """The same in a process of its own, where the other Pillow comes first."""
  path = os.pathsep.join([str(args.beside), os.environ.get("PYTHONPATH", "")])
  with tempfile.TemporaryDirectory() as out:
    options = {"out": out, "batches": args.batches, "batch_size": args.batch_size}
    given = [f"--{name}={value}" for name, value in options.items()]
    subprocess.run(
        [sys.executable, "-m", "experiments.input_rate", *given, "--workers",
         *map(str, args.workers)],
        env=os.environ | {"PYTHONPATH": path}, check=True,
    )
    return tables.read(pathlib.Path(out) / "results.csv")


def plain(
    encoded: Sequence[bytes], batch_size: int
) -> Callable[[], np.ndarray]:
  """Batches by the shortest loop: open, crop, stack."""
  rng = np.random.default_rng(0)

  def following():
    images = []
    for index in rng.integers(len(encoded), size=batch_size):
      picture = Image.open(io.BytesIO(encoded[index])).convert("RGB")
      crop = crops.random_resized_crop(rng, picture, 224)
      images.append(np.asarray(crop))
    return np.stack(images)

  return following


def streaming(directory: str, workers: int, batch_size: int):
  """Batches of the streaming pipeline."""
  section = config_lib.default().data
  section.update(
      name="photographs", pipeline="streaming", workers=workers, image_size=224,
      crop_scale=(0.08, 1.0),
  )
  source = sources.open_source(section.name, section.train, directory)
  pipeline = pipelines.open_pipeline(section, source, "train")
  return pipeline.batches(batch_size, 0).next


def rate(following: Callable[[], object], count: int, batch_size: int) -> float:
  """Images per second over `count` batches, after two that are not timed."""
  for _ in range(2):
    following()
  start = time.perf_counter()
  for _ in range(count):
    following()
  return count * batch_size / (time.perf_counter() - start)


def report(results: Sequence[dict[str, str]]) -> str:
  """The page around the table: medians over the repeats."""
  versions = list(dict.fromkeys(row["pillow"] for row in results))
  inputs = list(dict.fromkeys((r["input"], r["workers"]) for r in results))
  lines = [(*key, *(cell(results, v, key) for v in versions)) for key in inputs]
  head = ("input", "worker processes", *(f"Pillow {v}" for v in versions))
  count = len(results) // len(versions) // len(inputs)
  return f"""# Rate of the input pipeline

    python -m experiments.input_rate

JPEGs of 500x375 px, decoded, RandomResizedCrop to 224 px, batched: images a second
on {os.cpu_count()} CPU cores with a load of {os.getloadavg()[0]:.1f} at the end.
Medians of {count}, and ranges. Without workers the pipeline decodes in four threads.
{BESIDE if len(versions) > 1 else ""}
{tables.markdown(head, lines)}
"""


def cell(results, version, key) -> str:
  """`940 (918 to 953)`, of one input by one Pillow."""
  rates = [
      float(row["images_per_second"]) for row in results
      if (row["pillow"], row["input"], row["workers"]) == (version, *key)
  ]
  return f"{np.median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f})"


if __name__ == "__main__":
  main()
