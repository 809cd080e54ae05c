"""SIGTERM and Ctrl-C: stop at the next step, and save."""

from collections.abc import Callable, Iterator
import contextlib
import logging
import os
import signal
import threading

import jax
from jax.experimental import multihost_utils

_SAID = {
    signal.SIGINT: b"\nstopping: the state is saved, Ctrl-C again ends at once\n",
    signal.SIGTERM: b"\nSIGTERM: stopping, the state is saved\n",
}


@contextlib.contextmanager
def asked_to_stop() -> Iterator[Callable[[int], int]]:
  """Takes the signals while the context lasts.

  Yields:
    `step -> signal`: the one that asked to stop, 0 for none; the same on all
    processes.
  """
  if jax.process_count() > 1:
    sync = multihost_utils.reached_preemption_sync_point
    yield lambda step: signal.SIGTERM if sync(step) else 0
  elif threading.current_thread() is not threading.main_thread():
    logging.warning("not the main thread: SIGTERM will not save a checkpoint")
    yield lambda step: 0
  else:
    asked = [0]

    def ask(number, frame):
      del frame
      asked[0] = number
      signal.signal(number, signal.SIG_DFL)
      os.write(2, _SAID[number])  # No stream: one may be in the middle of a line.

    before = {number: signal.signal(number, ask) for number in _SAID}
    try:
      yield lambda step: asked[0]
    finally:
      for number, handler in before.items():
        signal.signal(number, handler)
