"""Texts: tokenizers, tsv files, TFDS datasets, and the domain."""

import functools
import itertools
import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from dmjax import augment
from dmjax import config as config_lib
from dmjax import mixers
from dmjax import recipes
from dmjax.data import domains
from dmjax.data import mock
from dmjax.data import sources
from dmjax.data import sst2
from dmjax.data import texts
from dmjax.data import tokens
from dmjax.train import run as run_lib

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
) / "tfds"
TRAIN = ("A good film.", "a bad, bad film", "So good!", "the worst of it all")
TEXT, LABEL = tfds.features.Text(), tfds.features.ClassLabel(names=["n", "p"])


def learn(found=TRAIN, kind="words", vocabulary=100, length=6):
  return tokens.learn(found, kind=kind, vocabulary=vocabulary, length=length)


@pytest.mark.parametrize("kind", tokens.KINDS)
def test_a_tokenizer_is_the_same_whenever_its_texts_are(kind):
  again = f"""\
from dmjax.data import tokens
print(tokens.learn({TRAIN!r}, kind={kind!r}, vocabulary=100, length=6))"""
  found = subprocess.run(
      [sys.executable, "-c", again], capture_output=True, check=True, text=True
  )
  assert found.stdout.strip() == learn(kind=kind) == learn(kind=kind)


def test_words_are_known_by_their_frequency_in_lower_case():
  words = json.loads(learn())["model"]["vocab"]
  assert words[tokens.PADDING] == 0 and words[tokens.UNKNOWN] == 1
  assert list(words)[2:6] == ["a", "bad", "film", "good"]  # Twice each.
  found = tokens.encode(learn(), ["a GOOD one", "bad!", ""])
  assert found.dtype == np.int32
  np.testing.assert_array_equal(
      found[:2, :3], [[2, 5, 1], [3, words["!"], 0]]
  )
  assert not found[2].any() and not found[:, 3:].any()


def test_the_vocabulary_and_the_length_are_bounds():
  found = tokens.encode(learn(vocabulary=4, length=3), ["a bad film is bad"])
  np.testing.assert_array_equal(found, [[2, 3, 1]])
  pieces = tokens.encode(learn(kind="pieces", vocabulary=25), ["goody film"])
  assert pieces.max() < 25 and (pieces > 1).sum() > 3


def test_no_word_of_a_text_is_padding():
  found = tokens.encode(learn(), ["a [PAD] film", "[PAD]", "[UNK] good"])
  np.testing.assert_array_equal(found[:, 0], [2, 1, 1])
  np.testing.assert_array_equal((found != 0).sum(axis=1), [3, 1, 2])


def write(folder, **files):
  folder.mkdir(exist_ok=True)
  for name, content in files.items():
    (folder / f"{name}.tsv").write_text(content, "utf-8")
  return folder


ROWS = 'a good "film\tp\nbad\tn\n\nnot good\tn\n'


def opened(folder, split, **text):
  return sources.open_source(f"{folder}/", split, data={"text": text})


def test_a_folder_of_tsv_files_is_texts(tmp_path):
  write(tmp_path, train=ROWS, test="unseen good\tp\r\n")
  train, test = (opened(tmp_path, s, max_length=5) for s in ("train", "test"))
  assert (train.kind, train.size, train.class_names) == ("text", 3, ("n", "p"))
  assert [train.read(i)["label"] for i in range(3)] == [1, 0, 0]
  assert test.present == ("p",) and test.label(0) == 1
  np.testing.assert_array_equal(
      test.read(0)["x"], texts.encode(train, ["unseen good"])[0]
  )
  np.testing.assert_array_equal(test.read(0)["x"][:1], [1])


def test_a_header_is_left_out_and_whole_numbers_keep_their_order(tmp_path):
  headers = ("", "text\tlabel\n", "Sentence\tLabel\n", "\ufefftext\tlabel\n")
  for header in headers:
    rows = "".join(f"a text\t{label}\n" for label in (10, 9, 2))
    write(tmp_path, train=header + rows)
    source = opened(tmp_path, "train")
    assert source.size == 3 and source.class_names == ("2", "9", "10")


def test_the_tokenizer_knows_training_texts_alone(tmp_path):
  write(tmp_path, train=ROWS, test="other words\tp\n")
  before = opened(tmp_path, "test").reader
  assert before == opened(tmp_path, "train").reader
  write(tmp_path, test="more words\tn\n")
  assert opened(tmp_path, "test").reader == before
  assert '"words"' not in before and '"good"' in before
  write(tmp_path, train=ROWS.replace("bad", "words"))
  assert '"words"' in opened(tmp_path, "test").reader


def test_a_reader_that_is_given_is_taken(tmp_path):
  write(tmp_path, train=ROWS)
  given = learn(["bad"], length=4)
  source = sources.open_source(f"{tmp_path}/", "train", data={"reader": given})
  assert source.reader == given
  np.testing.assert_array_equal(source.read(1)["x"], [2, 0, 0, 0])


BAD_FILES = (
    ("", "train.tsv holds no texts"),
    ("text\tlabel\n\n", "train.tsv holds no texts"),
    ("a good film\n", "train.tsv, line 1 has 1 columns, and must have two"),
    ("a\tb\nc\td\te\n", "line 2 has 3 columns"),
    ("a\tb\n \tb\n", "line 2: the text is empty"),
    ("a\tb\nc\t \n", "line 2: the label is empty"),
    ("a\tb\nc\tb\n", "texts of one class only, .'b'."),
)


@pytest.mark.parametrize("content,message", BAD_FILES)
def test_a_file_that_is_no_texts_is_named(tmp_path, content, message):
  write(tmp_path, train=content)
  with pytest.raises(ValueError, match=message):
    opened(tmp_path, "train")


def test_labels_and_files_that_are_not_there_are_named(tmp_path):
  write(tmp_path, train=ROWS, test="good\tp\nbad\tpp\n")
  message = "test.tsv, line 2: no text of train.tsv has the label 'pp'; did you"
  with pytest.raises(ValueError, match=message):
    opened(tmp_path, "test")
  with pytest.raises(ValueError, match="no file tset.tsv; it has"):
    opened(tmp_path, "tset")
  (tmp_path / "train.tsv").write_bytes(b"\xff\xfe\x00\tx")
  with pytest.raises(ValueError, match="train.tsv cannot be read .*UTF-8"):
    opened(tmp_path, "train")


@pytest.mark.parametrize("text,message", (
    ({"max_length": 0}, "data.text.max_length must be >= 1, got 0"),
    ({"vocabulary": 2}, "data.text.vocabulary must be >= 3, got 2"),
    ({"tokens": "word"}, "unknown data.text.tokens 'word'; did you mean 'wor"),
    ({"swap": 1.5}, r"data.text.swap must lie in \[0, 1\], got 1.5"),
    ({"delete": -0.1}, "data.text.delete must lie in"),
))
def test_options_out_of_range_are_named(text, message):
  with pytest.raises(ValueError, match=message):
    mock.open_mock("mock/text", "train", {"text": text})


def test_a_folder_is_of_the_kind_of_its_files(tmp_path):
  holds = lambda folder: next(
      kind for kind, domain in domains.DOMAINS.items() if domain.holds(folder)
  )
  assert holds(write(tmp_path / "a", train="")) == "text"
  (write(tmp_path / "b", train="") / "train").mkdir()
  assert holds(tmp_path / "b") == "image"
  (write(tmp_path / "c", notes="") / "train").mkdir()
  assert holds(tmp_path / "c") == "image"


@pytest.mark.parametrize("features,key,kind", (
    ({"text": TEXT, "label": LABEL}, "text", "text"),
    ({"sentence": TEXT, "label": LABEL, "idx": tfds.features.Scalar(np.int32)},
     "image", "text"),
    ({"text": TEXT, "other": TEXT, "label": LABEL}, "image", None),
    ({"text": TEXT}, "image", None),
    ({"text": TEXT, "image": tfds.features.Image(), "label": LABEL},
     "image", "image"),
))
def test_texts_are_recognised_by_their_features(features, key, kind):
  features = dict(tfds.features.FeaturesDict(features))
  found = [k for k, d in domains.DOMAINS.items() if d.recognises(features, key)]
  assert found[:1] == [kind] * (kind is not None)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  """Two sentences of each split of SST-2."""
  directory = tmp_path_factory.mktemp("sst2")
  manual = directory / "downloads" / "manual"
  manual.mkdir(parents=True)
  for split, name in sst2.FILES.items():
    rows = f"1 a good {split} .\n0 a bad {split} .\n"
    (manual / name).write_text(rows, "utf-8")
  sources.prepare("sst2", str(directory))
  return str(directory)


def test_sst2_is_read_from_its_files(prepared):
  for split in sst2.FILES:
    source = sources.open_source("sst2", split, prepared)
    assert source.class_names == ("negative", "positive")
    assert sorted(source.label(i) for i in range(source.size)) == [0, 1]
  words = json.loads(source.reader)["model"]["vocab"]
  assert "train" in words and "test" not in words


def test_a_label_that_is_not_there_is_named(prepared):
  message = "label 'fine' of dataset 'sst2' must be a ClassLabel, one of"
  with pytest.raises(ValueError, match=message):
    sources.open_source("sst2", "test", prepared, {"text": {"label": "fine"}})
  with pytest.raises(ValueError, match="no split 'dev'"):
    sources.open_source("sst2", "dev", prepared)


@pytest.mark.parametrize("line", ("2 a film", "good film", "1 "))
def test_a_line_of_another_form_is_named(tmp_path, line):
  manual = tmp_path / "downloads" / "manual"
  manual.mkdir(parents=True)
  (manual / sst2.FILES["train"]).write_text(f"0 bad\n{line}\n")
  with pytest.raises(ValueError, match="train, line 2 must be `0 a sentence`"):
    sources.prepare("sst2", str(tmp_path))


@pytest.mark.parametrize("name,train,test,classes", (
    ("sst2", 6920, 1821, 2), ("trec", 5452, 500, 6),
))
def test_published_texts_are_read(name, train, test, classes):
  if not (SHARED / name).is_dir():
    pytest.skip(f"{name} is not prepared here")
  data = recipes.load(f"{name}:text_cnn").data
  for split, size in (("train", train), ("test", test)):
    source = sources.open_source(name, split, str(SHARED), data)
    assert (source.size, source.num_classes) == (size, classes)
    x = np.stack([source.read(i)["x"] for i in range(0, size, 50)])
    assert x.shape[1] == data.text.max_length and x.max() < 5000
  if name == "trec":
    fine = {"text": {"label": "label-fine"}}
    source = sources.open_source(name, "test", str(SHARED), fine)
    assert source.num_classes == 47


def test_defaults_of_texts_are_those_of_the_configuration():
  assert config_lib.default().data.text.to_dict() == dict(texts.DEFAULTS)


def test_views_are_the_text_and_a_perturbed_one():
  x = np.tile(np.arange(2, 32, dtype=np.int32), (8, 1))
  config = config_lib.default()
  config.data.text.update(swap=0.2, delete=0.3, replace=0.4, vocabulary=50)
  views = texts.DOMAIN.views(config)
  assert views["weak"](None, x) is x
  steps = {s.func: s.keywords for s in views["strong"].keywords["steps"]}
  assert steps == {
      augment.swap_tokens: {"share": 0.2}, augment.delete_tokens: {"p": 0.3},
      augment.replace_tokens: {"p": 0.4, "vocabulary": 50},
  }
  found = jax.eval_shape(views["strong"], jax.random.key(0), x)
  assert (found.shape, found.dtype) == (x.shape, x.dtype)


def test_points_are_bags_of_tokens_of_length_one():
  x = np.array([[5, 5, 7, 0], [7, 5, 5, 0], [0, 0, 0, 0]], np.int32)
  expected = np.array([[2, 1], [2, 1], [0, 0]]) / np.sqrt(5)
  np.testing.assert_allclose(texts.DOMAIN.points(x), expected)


def test_tokens_are_left_to_hidden_layers():
  x, key = np.ones((4, 3), np.int32), jax.random.key(0)
  for mixer in (mixers.manifold_mixup, mixers.identity):
    mixed = jax.eval_shape(mixer, key, x)
    assert mixed.x.dtype == np.int32 and mixed.sources.shape == (4, 2)
  for name in ("mixup", "cutmix", "puzzlemix"):
    with pytest.raises(ValueError, match="tokens of a text|x must be images"):
      options = {"saliency": x} if name == "puzzlemix" else {}
      mixer = functools.partial(mixers.MIXERS[name], **options)
      jax.eval_shape(mixer, key, x)


def smoke(words, **changes):
  config = recipes.load(f"{words},smoke")
  config.update_from_flattened_dict(changes)
  return config


MIXES = ("wordmixup", "sentencemixup", "mixup_transformer")


@pytest.mark.parametrize("dataset,network", itertools.product(
    ("sst2", "trec"), ("text_cnn", "text_transformer")
))
def test_every_recipe_is_a_valid_run(dataset, network):
  last = 1 if network == "text_cnn" else 3
  for mix, stage in zip(MIXES, (0, last, last)):
    config = recipes.load(f"{dataset}:{network},{mix},dm")
    assert config.mix.stages == (stage,)
    assert config.loss.name == "decoupled_cross_entropy"
    assert config.method.start == ("50 %" if mix == MIXES[2] else "0 %")
  plain = recipes.load(f"{dataset}:{network},doublemix")
  assert (plain.mix.name, plain.method.name) == ("identity", "doublemix")
  for words in ("", ",doublemix", ",wordmixup,doublemix,dm"):
    run = run_lib.assemble(smoke(f"{dataset}:{network}{words}"))
    assert run.example["x"].dtype == np.int32 and run.domain is texts.DOMAIN


def test_dm_needs_a_mixer_beside_doublemix():
  with pytest.raises(ValueError, match="dm needs a mixer"):
    recipes.load("sst2:text_cnn,doublemix,dm")


@pytest.mark.parametrize("changes,message", (
    ({"data.flip": True}, "data.flip is for images, .* of kind 'text'"),
    ({"model.vocabulary": 100}, "model.vocabulary must be .* 5000, or more"),
    ({"mix": {"name": "mixup"}}, "take 'manifold_mixup'"),
    ({"evaluate.mix": {"name": "mixup"}}, "evaluate.mix .*manifold_mixup"),
))
def test_what_has_no_meaning_for_texts_is_named(changes, message):
  with pytest.raises(ValueError, match=message):
    run_lib.assemble(smoke("sst2:text_cnn,wordmixup", **changes))
