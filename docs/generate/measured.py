"""What was measured: the pages and pictures of `experiments`, as they are."""

import pathlib
import re
import shutil

EXPERIMENTS = (pathlib.Path(__file__).parents[2] / "experiments").resolve()
_SHOWN = (".png", ".jpg", ".csv")
_PAGES = """
```{toctree}
:glob:
:maxdepth: 1

*/*
```
"""


def write(out: pathlib.Path) -> None:
  """Copies them, with links to what is not copied made plain."""
  for path in sorted(EXPERIMENTS.rglob("*")):
    target = out / "measured" / path.relative_to(EXPERIMENTS)
    if path.suffix == ".md":
      target.parent.mkdir(parents=True, exist_ok=True)
      target.write_text(page(path))
    elif path.suffix in _SHOWN:
      target.parent.mkdir(parents=True, exist_ok=True)
      shutil.copyfile(path, target)


def page(path: pathlib.Path) -> str:
  """The text of a page, its links mended."""
  text = re.sub(
      r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)",
      lambda match: _link(path.parent, *match.groups()),
      path.read_text(),
  )
  return text + _PAGES * (path.parent == EXPERIMENTS)


def _link(folder, text, target):
  """The link, or its text alone where the target is no page of these."""
  if re.match(r"https?:|#", target):
    return f"[{text}]({target})"
  file = (folder / target.split("#")[0]).resolve()
  copied = file.suffix in (".md", *_SHOWN) and file.is_relative_to(EXPERIMENTS)
  return f"[{text}]({target})" if copied and file.exists() else text
