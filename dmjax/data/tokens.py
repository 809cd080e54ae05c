"""From texts to tokens, by a tokenizer that was learned from training texts.

A tokenizer is its description as text, so that it can be kept with a run: what
`tokenizers` of Hugging Face writes, with the length of a text among the rest.
"""

from collections.abc import Iterable, Sequence
import functools
from typing import Any

import numpy as np

# `words` are looked up whole; `pieces` of words come of byte-pair encoding
# (arXiv 1508.07909), which knows every word whose letters it has seen.
KINDS = ("words", "pieces")
PADDING, UNKNOWN = "[PAD]", "[UNK]"  # Tokens 0 and 1.


def learn(
    texts: Iterable[str], *, kind: str, vocabulary: int, length: int
) -> str:
  """A tokenizer of these texts, the same whenever they are the same.

  Texts are in lower case and in compatible Unicode (NFKC); punctuation marks
  are words of their own. The most frequent words or pieces are known.

  Args:
    texts: Of training.
    kind: One of `KINDS`.
    vocabulary: Number of tokens at most, padding and unknown among them.
    length: Of a text, in tokens: longer ones are cut, shorter ones padded.

  Returns:
    Its description.
  """
  # pylint: disable=g-import-not-at-top
  import tokenizers
  from tokenizers import normalizers
  from tokenizers import pre_tokenizers

  model, trainer, splits = _parts(kind, vocabulary)
  tokenizer = tokenizers.Tokenizer(model)
  tokenizer.normalizer = normalizers.Sequence(
      [normalizers.NFKC(), normalizers.Lowercase()]
  )
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
  tokenizer.train_from_iterator(texts, trainer)
  tokenizer.enable_truncation(length)
  tokenizer.enable_padding(length=length, pad_id=0, pad_token=PADDING)
  return tokenizer.to_str()


def _parts(kind: str, vocabulary: int) -> tuple[Any, Any, list[Any]]:
  """Model, trainer, and how texts are split before."""
  # pylint: disable=g-import-not-at-top
  from tokenizers import models
  from tokenizers import pre_tokenizers
  from tokenizers import trainers

  options = {
      "vocab_size": vocabulary, "special_tokens": [PADDING, UNKNOWN],
      "show_progress": False,
  }
  split = pre_tokenizers.Whitespace()
  if kind == "words":
    model = models.WordLevel(unk_token=UNKNOWN)
    return model, trainers.WordLevelTrainer(**options), [split]
  model = models.BPE(unk_token=UNKNOWN)
  starts = pre_tokenizers.Metaspace()  # Marks where a word starts.
  return model, trainers.BpeTrainer(**options), [split, starts]


def encode(tokenizer: str, texts: Sequence[str]) -> np.ndarray:
  """Texts as tokens.

  Args:
    tokenizer: Of `learn`.
    texts: `N` of them.

  Returns:
    `int32[N, length]`, 0 behind the end of a text and nowhere else.
  """
  found = _read(tokenizer).encode_batch(list(texts))
  ids = np.array([each.ids for each in found], np.int32)
  inside = np.array([each.attention_mask for each in found], bool)
  # A text may spell the name of padding out: no token that it holds is that.
  return np.where(inside & (ids == 0), np.int32(1), ids)


@functools.lru_cache(maxsize=4)
def _read(tokenizer):
  import tokenizers  # pylint: disable=g-import-not-at-top

  return tokenizers.Tokenizer.from_str(tokenizer)
