"""The curves of a run."""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

from matplotlib import figure as figure_lib
from matplotlib import ticker

Rows = Sequence[Mapping[str, float]]

_ACCURACIES = {
    "test/top1": "clean, top-1",
    "test/mixed_top1": "mixed, one of the two",
    "test/mixed_top2": "mixed, both",
}
_OF_NOISE = {
    "test/train_top1_true": "true labels",
    "test/memorised": "wrong labels, memorised",
}


def title_of(config: Mapping[str, Any]) -> str:
  """What a run is, such as `digits: resnet8, cutmix, decoupled_cross_entropy`.

  Args:
    config: Its configuration.

  Returns:
    Dataset, network, mixer and loss; the method, where it is not supervised.
  """
  method = config["method"]["name"]
  words = [config["model"]["name"], _mixer_in_words(config["mix"])]
  words += [method] if method != "supervised" else []
  words += [config["loss"]["name"]]
  dataset = pathlib.Path(config["data"]["name"]).name
  return f"{dataset}: {', '.join(dict.fromkeys(words))}"


def _mixer_in_words(spec):
  parts = [*spec.get("mixers", ()), *filter(None, [spec.get("mixer")])]
  inner = ", ".join(_mixer_in_words(part) for part in parts)
  return f"{spec['name']}({inner})" if inner else spec["name"]


def curves(rows: Rows, path: pathlib.Path, *, title: str = "") -> None:
  """Training loss, test NLL and test accuracies against the step.

  Where training labels were replaced, so are the shares that are learned.

  The two losses have panels of their own, because their difference says
  nothing: that of training is of mixed images, cannot fall below the entropy of
  their labels, and holds what else the method minimises, where the NLL is that
  of clean images. Each can be compared with the same panel of another run.

  Args:
    rows: Rows of `metrics.jsonl`, none or more.
    path: The picture.
    title: Above it.
  """
  noisy = any("test/memorised" in row for row in rows)
  size = (15 if noisy else 10, 2.8)
  figure = figure_lib.Figure(figsize=size, layout="constrained")
  panels = figure.subplots(1, 4 if noisy else 3)
  _lines(panels[0], rows, {"train/loss": "training"}, "training loss, mixed")
  _lines(panels[1], rows, {"test/nll": "test"}, "test NLL, clean")
  _lines(panels[2], rows, _ACCURACIES, "test accuracy")
  if noisy:
    _lines(panels[3], rows, _OF_NOISE, "training rows, labels replaced")
  last = max([row["step"] for row in rows], default=1)
  for axes in panels:
    axes.set_xlim(0, 1.02 * last)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
    axes.set(xlabel="step")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
  for axes in panels[2:]:
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    if axes.lines:  # Beside the panel, where no curve can run into it.
      axes.legend(
          frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=9,
          title="at the last evaluation", alignment="left",
      )
  figure.suptitle(title, fontsize=11)
  figure.savefig(path, dpi=150)


def _lines(axes, rows, names, title):
  """Draws what was measured, with a marker for each evaluation."""
  axes.set_title(title, fontsize=10)
  for name, label in names.items():
    points = [(row["step"], row[name]) for row in rows if name in row]
    if points:
      marked = name.startswith("test/") or len(points) == 1
      if name in _ACCURACIES | _OF_NOISE:
        label = f"{label}: {points[-1][1]:.1%}"
      axes.plot(
          *zip(*points), marker="o" if marked else "", label=label,
          markersize=min(3.5, 150 / len(points)), linewidth=1.3,
      )
  if not axes.lines:
    axes.text(0.5, 0.5, "nothing measured yet", ha="center", va="center",
              color="grey", transform=axes.transAxes)
