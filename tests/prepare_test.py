"""Preparing a dataset with and without a network."""

import contextlib
from http import server
import io
import shutil
import socket
import threading
import time

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from dmjax import main
from dmjax.data import downloads
from dmjax.data import sources


class Remote(tfds.core.GeneratorBasedBuilder):
  """One image, at an address that the test sets."""

  VERSION = tfds.core.Version("1.0.0")
  url = ""

  def _info(self):
    return self.dataset_info_from_configs(
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=(4, 4, 3)),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
        }),
        supervised_keys=("image", "label"),
    )

  def _split_generators(self, dl_manager):
    return {"train": self._generate_examples(dl_manager.download(self.url))}

  def _generate_examples(self, path):
    yield 0, {"image": io.BytesIO(path.read_bytes()), "label": "b"}


@pytest.fixture(autouse=True)
def remote(monkeypatch):
  """No proxy, a short patience, and the dataset `remote`."""
  for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
    monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv(name.upper(), raising=False)
  monkeypatch.setattr(downloads, "PATIENCE", 0.5)
  monkeypatch.setattr(
      sources, "BUILDERS", {**sources.BUILDERS, "remote": Remote}
  )


@contextlib.contextmanager
def serving(status=200):
  """A server of one picture; yields its port and the list of requests."""
  png, asked = io.BytesIO(), []
  Image.new("RGB", (4, 4), (7, 8, 9)).save(png, format="PNG")

  class Handler(server.BaseHTTPRequestHandler):

    def do_GET(self):
      asked.append(self.path)
      self.send_response(status)
      self.end_headers()
      self.wfile.write(png.getvalue())

    def log_message(self, *_):
      pass

  with server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield httpd.server_address[1], asked
    httpd.shutdown()


def closed_port():
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    return free.getsockname()[1]


@pytest.mark.parametrize("host", ("127.0.0.1", "nowhere.invalid"))
def test_without_a_network_prepare_says_so_at_once(
    tmp_path, monkeypatch, capsys, host
):
  monkeypatch.setattr(Remote, "url", f"http://{host}:{closed_port()}/x.png")
  start = time.monotonic()
  assert main.main(["prepare", "remote", "--data_dir", f"{tmp_path}"]) == 2
  assert time.monotonic() - start < 15
  error = capsys.readouterr().err
  assert f"{host} cannot be reached" in error and Remote.url in error
  for way_out in ("HTTPS_PROXY", "another machine", f"{tmp_path}/downloads/manual"):
    assert way_out in error


def test_a_name_that_is_looked_up_for_ever_is_given_up(tmp_path, monkeypatch):

  def hang(*_, **__):
    time.sleep(4)
    raise OSError("at last")

  monkeypatch.setattr(downloads.socket, "create_connection", hang)
  monkeypatch.setattr(Remote, "url", "https://nowhere.invalid/x.png")
  start = time.monotonic()
  with pytest.raises(ValueError, match=r"cannot be reached \(no answer\)"):
    sources.prepare("remote", f"{tmp_path}")
  assert time.monotonic() - start < 10


def test_a_host_that_answers_is_downloaded_from_and_its_files_are_kept(
    tmp_path, monkeypatch
):
  with serving() as (port, asked):
    monkeypatch.setattr(Remote, "url", f"http://127.0.0.1:{port}/x.png")
    folder = sources.prepare("remote", f"{tmp_path}")
  assert asked == ["/x.png"]
  shutil.rmtree(folder)
  sources.prepare("remote", f"{tmp_path}")  # The server is gone.
  example = sources.open_source("remote", "train", f"{tmp_path}").read(0)
  assert example["label"] == 1
  np.testing.assert_array_equal(example["x"][0, 0], [7, 8, 9])


def test_the_proxy_is_asked_where_there_is_one(tmp_path, monkeypatch):
  monkeypatch.setattr(Remote, "url", "http://nowhere.invalid/x.png")
  with serving() as (port, asked):
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{port}")
    sources.prepare("remote", f"{tmp_path}")
  assert asked == ["http://nowhere.invalid/x.png"]
  monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
  with pytest.raises(ValueError, match="127.0.0.1 cannot be reached"):
    sources.prepare("remote", f"{tmp_path / 'other'}")


def test_a_file_that_is_gone_is_an_error_with_the_way_out(tmp_path, monkeypatch):
  with serving(status=404) as (port, _):
    monkeypatch.setattr(Remote, "url", f"http://127.0.0.1:{port}/x.png")
    with pytest.raises(ValueError, match="HTTP code: 404(.|\n)*manual"):
      sources.prepare("remote", f"{tmp_path}")


def test_tfds_is_left_as_it_was(tmp_path, monkeypatch):
  manager = tfds.download.DownloadManager
  before = manager._download
  monkeypatch.setattr(Remote, "url", f"http://127.0.0.1:{closed_port()}/x.png")
  with pytest.raises(ValueError):
    sources.prepare("remote", f"{tmp_path}")
  assert manager._download is before
