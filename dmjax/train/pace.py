"""How fast a run trains, what it waits for, and when it will be done."""

import collections
import contextlib
import math
import time

_WINDOW = 10.0  # Seconds of training that the moving rate looks back on.


class Pace:
  """A clock of training alone, and the images that were trained on it.

  Steps are dispatched before they have run, so what counts is measured between
  marks, when everything dispatched is known to be done. Calls that begin while
  the clock stands, as the first with its compilation, count for nothing.
  """

  def __init__(self):
    self._seconds, self._images, self._since = 0.0, 0, None
    self._waited = 0.0
    self._marks = collections.deque([(0.0, 0, 0.0)])
    self._stopped, self._pauses = None, []

  def start(self) -> None:
    """Starts the clock, unless it runs."""
    if self._since is not None:
      return
    self._since = time.perf_counter()
    if self._stopped is not None:
      self._pauses.append(self._since - self._stopped)

  def stop(self) -> None:
    """Stops the clock, if it runs."""
    if self._since is None:
      return
    self._stopped = time.perf_counter()
    self._seconds, self._since = self._clock(self._stopped), None

  def add(self, images: int) -> None:
    """Counts the images of a call, if it began while the clock ran."""
    if self._since is not None:
      self._images += images

  @contextlib.contextmanager
  def waiting(self):
    """Counts what goes on inside as waiting for the input, if the clock runs."""
    since = time.perf_counter()
    yield
    if self._since is not None:
      self._waited += time.perf_counter() - since

  def mark(self) -> None:
    """Notes that all images added so far have been trained on."""
    clock = self._clock(time.perf_counter())
    self._marks.append((clock, self._images, self._waited))
    now = self._marks[-1][0]
    while now - self._marks[1][0] >= _WINDOW:
      self._marks.popleft()

  def _clock(self, now):
    running = 0.0 if self._since is None else now - self._since
    return self._seconds + running

  @property
  def rate(self) -> float:
    """Images per second of the last ten seconds of training; 0 if unknown."""
    return _rate(self._marks[0], self._marks[-1])

  @property
  def waited(self) -> float:
    """Share of the last ten seconds of training that the input took, in [0, 1].

    Steps run while the next batch is read, so where the device is the slower of
    the two, little of this is lost; near 1, the input is what training waits for.
    """
    start, end = self._marks[0], self._marks[-1]
    return (end[2] - start[2]) / max(end[0] - start[0], 1e-9)

  @property
  def mean(self) -> float:
    """Images per second of the whole training; 0 if unknown."""
    return _rate((0.0, 0, 0.0), self._marks[-1])

  def remaining(self, images: int) -> float:
    """Seconds until so many more images are trained on; inf if unknown.

    Evaluating and saving will take the share of the time that they took, but
    for the first time, which compiled.

    Args:
      images: How many are left.
    """
    if not self.rate:
      return math.inf
    paused = sum(self._pauses[1:]) / self._images
    return images * (1 / self.rate + paused)


def _rate(start, end):
  images, seconds = end[1] - start[1], end[0] - start[0]
  return images / seconds if seconds > 0 else 0.0


def in_words(seconds: float) -> str:
  """A finite time such as `0:20` or `1:02:12`."""
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours}:{minutes:02}:{seconds:02}"
  return f"{minutes}:{seconds:02}"
