"""What shows how far a run is: a bar on a terminal, elsewhere lines."""

from collections.abc import Callable
import contextlib
import logging
import sys
import time
from typing import NamedTuple

import tqdm
import tqdm.contrib.logging

_EVERY = 10.0  # Seconds between the lines where stderr is no terminal.
_BAR = (
    "train {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
)


class Display(NamedTuple):
  """Something that shows progress.

  Attributes:
    show: `(step, words)`; called at every step, shown now and then.
    close: Shows the last of it and leaves stderr at the start of a line.
  """

  show: Callable[[int, str], None]
  close: Callable[[], None]


def open_display(step: int, total: int, *, active: bool = True) -> Display:
  """Shows progress on stderr.

  Args:
    step: Where the run starts.
    total: Where it ends.
    active: False to show nothing.

  Returns:
    The display.
  """
  if not active:
    return Display(lambda step, words: None, lambda: None)
  return (_bar if sys.stderr.isatty() else _lines)(step, total)


def _bar(step, total):
  bar = tqdm.tqdm(
      total=total, initial=step, bar_format=_BAR, dynamic_ncols=True
  )
  messages = _messages_above()

  def show(step, words):
    bar.set_postfix_str(words, refresh=False)
    bar.update(step - bar.n)

  def close():
    bar.close()
    messages.close()

  return Display(show, close)


def _messages_above():
  """Until it is closed, logging and warnings are printed above the bar."""
  messages = contextlib.ExitStack()
  messages.enter_context(tqdm.contrib.logging.logging_redirect_tqdm())
  logging.captureWarnings(True)
  messages.callback(logging.captureWarnings, False)
  return messages


def _lines(step, total):
  """The first line as soon as there are words, the last when it is closed."""
  latest = printed = (step, "")
  due = time.monotonic()

  def show(step, words):
    nonlocal latest
    latest = (step, words)
    if words and time.monotonic() >= due:
      line()

  def line():
    nonlocal printed, due
    step, words = printed = latest
    due = time.monotonic() + _EVERY
    done = f"train {step}/{total} ({step / total:.0%})"
    print(", ".join(filter(None, (done, words))), file=sys.stderr, flush=True)

  def close():
    if latest != printed:
      line()

  return Display(show, close)
