"""Downloads of TFDS that say so at once where there is no network.

By itself it tries a host for minutes that cannot be reached.
"""

from collections.abc import Iterator
import contextlib
import socket
import threading
import time
from urllib import parse

import requests
import tensorflow_datasets as tfds

# Seconds for a host to accept a connection before its first download.
PATIENCE = 6.0
_PORTS = {"http": 80, "https": 443}


class Unreachable(ValueError):
  """A host that accepts no connection."""


@contextlib.contextmanager
def from_hosts_that_answer() -> Iterator[None]:
  """Within it, TFDS downloads only from hosts that accept a connection.

  What lies in its cache or the manual directory needs none; of each host only
  the first download waits for an answer. Retries stay those of TFDS.

  Raises:
    Unreachable: For a host that does not answer within `PATIENCE`.
  """
  manager = tfds.download.DownloadManager
  # Called for what is not cached.
  original = getattr(manager, "_download", None)
  if not original:
    yield
    return
  manager._download = _asking_first(original)  # pylint: disable=protected-access
  try:
    yield
  finally:
    manager._download = original  # pylint: disable=protected-access


def _asking_first(original):
  answered = set()

  def download(self, resource):
    host = _host(resource.url)
    if host and host not in answered:
      _connect(host, resource.url)
      answered.add(host)
    return original(self, resource)

  return download


def _host(url):
  """Host and port that serve a URL, those of the proxy if one is set."""
  if not url.startswith("http"):
    return None
  proxies = requests.utils.get_environ_proxies(url)
  proxy = requests.utils.select_proxy(url, proxies)
  if proxy:
    url = requests.utils.prepend_scheme_if_needed(proxy, "http")
  parts = parse.urlsplit(url)
  port = parts.port or _PORTS.get(parts.scheme)
  return (parts.hostname, port) if port else None


def _connect(host, url):
  # A thread, as looking a name up may take longer and cannot be told not to.
  reasons = ["no answer"]
  thread = threading.Thread(target=_try, args=(host, reasons), daemon=True)
  thread.start()
  thread.join(PATIENCE + 2)
  if reasons:
    raise Unreachable(
        f"{host[0]} cannot be reached ({reasons[-1]}) to download {url}"
    )


def _try(host, reasons):
  """Empties the reasons once the host accepts a connection."""
  end = time.monotonic() + PATIENCE
  while time.monotonic() < end:
    try:
      socket.create_connection(host, timeout=PATIENCE / 2).close()
    except OSError as error:
      reasons.append(error.strerror or str(error))
      time.sleep(PATIENCE / 10)
    else:
      reasons.clear()
      return
