"""How fast 224 px training images come out of JPEG files.

    python -m experiments.input_rate

Writes JPEGs of 500x375 pixels into ArrayRecord files, then measures images per
second of decoding, RandomResizedCrop to 224 and batching: by a plain loop over
files with PIL, and by the streaming pipeline with threads and with workers. The
result is `experiments/input_rate/`: results.csv and README.md.
"""

import argparse
from collections.abc import Callable, Sequence
import io
import os
import pathlib
import tempfile
import time

import numpy as np
from PIL import Image

from dmjax import config as config_lib
from dmjax.data import crops
from dmjax.data import pipelines
from dmjax.data import sources
from experiments import photographs
from experiments import tables

OUT = pathlib.Path(__file__).parent / "input_rate"
COLUMNS = ("input", "workers", "images_per_second")


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures and writes."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--batches", type=int, default=100)
  parser.add_argument("--batch_size", type=int, default=32)
  parser.add_argument("--workers", type=int, nargs="*", default=(0, 1, 2))
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  count, size = args.batches, args.batch_size
  loop = plain(photographs.files(), size)
  rows = [("PIL loop", "-", rate(loop, count, size))]
  with tempfile.TemporaryDirectory() as directory:
    photographs.prepare(directory)
    for workers in args.workers:
      following = streaming(directory, workers, size)
      rows.append(("streaming", workers, rate(following, count, size)))
  lines = [(name, workers, f"{value:.1f}") for name, workers, value in rows]
  results = [dict(zip(COLUMNS, line)) for line in lines]
  tables.write(args.out / "results.csv", results, COLUMNS)
  (args.out / "README.md").write_text(report(rows))


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


def report(rows) -> str:
  """The page around the table."""
  lines = [(name, workers, f"{value:.0f}") for name, workers, value in rows]
  head = ("input", "worker processes", "images/s")
  return f"""# Rate of the input pipeline

    python -m experiments.input_rate

JPEGs of 500x375 px, decoded, RandomResizedCrop to 224 px, batched; on
{os.cpu_count()} CPU cores with a load of {os.getloadavg()[0]:.1f} at the end.
Without workers the pipeline decodes in four threads.

{tables.markdown(head, lines)}
"""


if __name__ == "__main__":
  main()
