"""Malformed commands, with what must be in their error lines."""

from collections.abc import Mapping
import json
import shlex
import textwrap
from typing import NamedTuple

import numpy as np
import safetensors.numpy

# Two steps of a tiny ResNet-18 on images of noise, 32x32 pixels.
RECIPE = "cifar100:resnet18,cutmix,dm,smoke"


class Case(NamedTuple):
  """A command.

  Attributes:
    command: What follows `dmjax`.
    says: What its error line must hold.
    files: Contents of the files that are there, by path.
  """

  command: str
  says: tuple[str, ...]
  files: Mapping[str, str | bytes] = {}


def _train(config, rest="", workdir="runs/a"):
  return f"train --config {config} --workdir {workdir} {rest}".strip()


# --config.KEY=VALUE of a recipe that is sound; the line names key and value.
_OVERRIDES = (
    # Numbers out of range.
    ("optimizer.weight_decay=-1.0", ">= 0"),
    ("optimizer.momentum=5.0", "[0, 1)"),
    ("optimizer.momentum=-0.1", "[0, 1)"),
    ("optimizer.clip_norm=-1.0", ">= 0"),
    ("optimizer.lr=0.0", "> 0"),
    ("optimizer.lr=-0.1", "> 0"),
    ("optimizer.lr=nan", "> 0"),
    ("optimizer.lr=inf", "> 0"),
    ("optimizer.weight_decay=nan", ">= 0"),
    ("schedule.end_lr=-0.1", ">= 0"),
    ("schedule.warmup_lr=-1.0", ">= 0"),
    ("schedule.end_lr=nan", ">= 0"),
    ("data.std=(0.0,)", "> 0"),
    ("data.std=(-1.0,)", "> 0"),
    ("data.std=(nan,)", "data.std"),
    ("data.std=(0.1, 0.2)", "1 or 3 values"),
    ("data.mean=(0.1, 0.2)", "1 or 3 values"),
    ("data.mean=0.5", "tuple"),
    ("data.std=0.5", "tuple"),
    ("data.mean=('a',)", "data.mean"),
    ("data.crop_padding=32", "smaller than the images of 32x32"),
    ("data.crop_padding=-1", ">= 0"),
    ("data.crop_mode=mirror", "reflect, constant"),
    ("data.crop_scale=(0.9, 0.1)", "(smallest, largest)"),
    ("data.crop_scale=(0.5,)", "(smallest, largest)"),
    ("data.crop_scale=('a', 'b')", "(smallest, largest)"),
    ("data.cutout=-4", ">= 0"),
    ("data.erase=2.0", "[0, 1]"),
    ("data.erase=nan", "[0, 1]"),
    ("data.jitter=-0.5", "[0, 1]"),
    ("data.image_size=-32", ">= 0"),
    ("data.test_image_size=-32", ">= 0"),
    ("data.test_resize=-32", ">= 0"),
    ("data.repeats=0", ">= 1"),
    ("data.workers=-1", ">= 0"),
    ("data.channels=2", "0, 1, 3"),
    ("batch_size=0", ">= 1"),
    ("batch_size=-8", ">= 1"),
    ("batch_size=4096", "at most the 48 training examples"),
    ("steps_per_call=-1", ">= 0"),
    ("seed=-1", "[0, 4294967295]"),
    ("seed=1099511627776", "[0, 4294967295]"),
    ("evaluate.batch_size=0", ">= 1"),
    ("checkpoint.keep=0", ">= 1"),
    ("checkpoint.keep=-1", ">= 1"),
    ("mix.alpha=-1.0", "> 0"),
    ("mix.alpha=0.0", "> 0"),
    ("mix.alpha=nan", "> 0"),
    ("mix.lam=1.5", "[0, 1]"),
    ("mix.lam=nan", "[0, 1]"),
    ("mix.partner=rol", "permutation, roll, flip"),
    ("loss.select=foo", "both, less or more"),
    ("loss.power=-1.0", ">= 0"),
    ("model.stem=foo", "'imagenet'"),
    ("model.drop_path=2.0", "[0, 1)"),
    ("data.rand_augment=rand-m9-foo1", "rand-m9-mstd0.5-inc1"),
    ("loss.eta=-1.0", ">= 0"),
    ("loss.eta=nan", ">= 0"),
    ("loss.label_smoothing=2.0", "[0, 1"),
    ("method.ema_decay=1.0", "[0, 1)"),
    ("method.ema_decay=-0.1", "[0, 1)"),
    ("method.ema_decay=nan", "[0, 1)"),
    ("evaluate.mix.alpha=-1.0", "> 0"),
    ("published.last=-1", ">= 0"),
    # Durations.
    ("total=ten epochs", "'20 epochs'"),
    ("total=-5 epochs", "'20 epochs'"),
    ("total=0 steps", "at least one step"),
    ("total=5 %", "'20 epochs'"),
    ("total=nan", "'20 epochs'"),
    ("total=5 weeks", "'20 epochs'"),
    ("total=", "'20 epochs'"),
    ("schedule.warmup=3 steps", "at most the 2 steps of total"),
    ("schedule.warmup=200 %", "at most the 2 steps of total"),
    ("schedule.warmup=some", "'20 epochs'"),
    ("evaluate.every=0 steps", "> 0"),
    ("evaluate.every=0 epochs", "> 0"),
    ("evaluate.every=never", "'20 epochs'"),
    ("log.every=0 steps", "> 0"),
    ("log.every=often", "'20 epochs'"),
    ("checkpoint.every=0 steps", "> 0"),
    ("checkpoint.every=every epoch", "'20 epochs'"),
    # Names, with the nearest.
    ("model.name=resnet9", "did you mean"),
    ("model.name=", "valid names"),
    ("mix.name=cutmx", "did you mean 'cutmix'"),
    ("evaluate.mix.name=cutmx", "did you mean 'cutmix'"),
    ("loss.name=decoupled", "did you mean 'decoupled"),
    ("optimizer.name=sgdd", "did you mean 'sgd'"),
    ("schedule.name=cosin", "did you mean 'cosine'"),
    ("method.name=supervise", "did you mean 'supervised'"),
    ("method.saliency=gradient", "did you mean 'input_gradient'"),
    ("data.name=cifar10O", "did you mean 'cifar10"),
    ("data.name=./photos", "there is no folder"),
    ("data.name=cifar100", "not prepared"),
    ("data.name=cifar100:9.9.9", "not prepared"),
    ("data.name=", "data.name"),
    ("data.train=trian", "split"),
    ("data.test=validation", "split"),
    ("data.pipeline=fast", "resident, streaming"),
    ("data.rand_augment=rand-m11", "[0, 10]"),
    ("data.rand_augment=auto", "rand"),
    ("model.dtype=bf16", "bfloat16"),
    ("model.dtype=float8", "float32, bfloat16, float16"),
    ("model.dtype=int8", "float32, bfloat16, float16"),
    ("published.rule=mean", "median"),
    # Of the wrong type.
    ("batch_size=many", "batch_size"),
    ("batch_size=8.5", "batch_size"),
    ("optimizer.lr=fast", "lr"),
    ("data.flip=perhaps", "flip"),
    ("seed=1.5", "seed"),
    ("model.widths=4", "model"),
    ("model.depths=(1, 'a')", "model"),
    ("mix.per_batch=perhaps", "per_batch"),
    ("optimizer.nesterov=perhaps", "nesterov"),
    ("pretrained=none.safetensors", ".safetensors"),
    ("init_from=runs/none", "workdir of a run"),
)

# Overrides of several keys, and of no key: what the line must say.
_ARGUMENTS = (
    ("--config.optimiser.lr=1", "'optimiser.lr'", "did you mean 'optimizer.lr'"),
    ("--config.batch_siz=8", "'batch_siz'", "did you mean 'batch_size'"),
    ("--config.mix.alhpa=1", "'mix.alhpa'", "did you mean 'mix.alpha'"),
    ("--config.mix.eta=1", "'mix.eta'", "did you mean"),
    ("--config.loss.alpha=1", "'loss.alpha'", "did you mean"),
    ("--config.optimizer.b1=0.9", "'optimizer.b1'"),
    ("--config.model.dephts=(1,)", "'model.dephts'", "did you mean 'model.depths'"),
    ("--config.mix.saliency=1", "'mix.saliency'"),
    ("--config.mix=cutmix", "'mix'"),
    ("--config.seed.x=1", "'seed.x'"),
    ("--config.=1", "''"),
    ("--config.seed", "'--config.seed'", "unknown argument"),
    ("--config.seed 3", "'--config.seed'", "unknown argument"),
    ("--config.published.top1.x=1", "'published.top1.x'"),
    ("--seed=3", "'--seed=3'", "unknown argument"),
    ("--dry", "'--dry'", "unknown argument"),
    ("--workdirs runs/b", "'--workdirs'", "unknown argument"),
    ("more", "'more'", "unknown argument"),
    ("--config.optimizer.name=adamw --config.optimizer.momentum=0.9",
     "'optimizer.momentum'"),
    ("--config.optimizer.name=adamw --config.optimizer.b2=1.5",
     "optimizer.b2", "1.5", "[0, 1)"),
    ("--config.optimizer.name=adamw --config.optimizer.eps=-1.0",
     "optimizer.eps", "-1.0"),
    ("--config.pretrained=a.safetensors --config.init_from=runs/b",
     "a.safetensors", "runs/b", "name one"),
    ("--config.data.pipeline=streaming --config.data.crop_scale=(0.1,1.0)"
     " --config.data.image_size=0", "data.image_size", "data.crop_scale"),
    ("--config.evaluate.mix.name=manifold_mixup", "evaluate.mix",
     "'manifold_mixup'", "without guidance"),
    ("--config.evaluate.mix.name=puzzlemix", "evaluate.mix", "'puzzlemix'",
     "without guidance"),
    ("--config.evaluate.mix.name=transmix", "evaluate.mix", "'transmix'",
     "without guidance"),
    ("--config.mix.name=transmix", "mixer 'transmix'", "'resnet8'"),
    ("--config.mix.name=mixpro", "mixer 'mixpro'", "'resnet8'"),
    ("--config.mix.name=tokenmix", "mixer 'tokenmix'", "'resnet8'"),
    ("--config.mix.name=smmix", "mixer 'smmix'", "'resnet8'"),
    ("--config.mix.name=manifold_mixup --config.mix.stages=(7,)",
     "mix.stages", "7", "'resnet8'"),
    ("--config.mix.name=manifold_mixup --config.mix.stages=()", "stages", "()"),
    ("--config.mix.name=alignmix", "mix.stages", "[4]", "'resnet8'"),
    ("--config.mix.name=puzzlemix --config.mix.blocks=99", "blocks", "99"),
    ("--config.mix.name=comixup --config.mix.partition=0", "partition", "0"),
    ("--config.mix.name=resizemix '--config.mix.scope=(2.0, 3.0)'", "scope", "(2.0, 3.0)"),
    ("--config.mix.name=automix", "'automix'", "workdir"),
    ("--config.mix.name=automix --config.mix.workdir=runs/none",
     "runs/none"),
    ("--config.mix.name=choose", "choose", "mixers"),
    ("--config.mix.name=sometimes", "sometimes", "mixer"),
    ("--config.mix.name=gridmix --config.mix.cell=0", "'mix.cell'"),
    ("--config.model.name=deit_tiny --config.model.patch=5",
     "'deit_tiny'", "patch=5"),
    ("--config.model.name=deit_tiny --config.model.heads=0", "'deit_tiny'"),
    ("--config.model.name=swin_tiny --config.model.window=5", "'swin_tiny'", "window=5"),
    ("--config.model.name=deit_tiny --config.data.test_image_size=64",
     "data.test_image_size", "64", "'deit_tiny'"),
    ("--config.method.name=automix --config.method.stage=stage9", "stage9"),
    ("--config.method.name=automix --config.method.stage=last", "'last'"),
    ("--config.method.name=automix --config.method.lam_margin=2.0", "lam_margin", "2.0"),
    ("--config.method.name=automix --config.mix.name=puzzlemix", "'automix'", "saliency"),
    ("--num_processes 2", "--num_processes", "--coordinator"),
    ("--process_id 0", "--process_id", "--coordinator"),
    ("--coordinator nope", "--coordinator", "'nope'", "HOST:PORT"),
    ("--coordinator nope:99999 --num_processes 1 --process_id 0",
     "--coordinator", "nope:99999"),
    ("--coordinator localhost:1234", "--coordinator", "--num_processes"),
    ("--coordinator localhost:1234 --num_processes 0 --process_id 0",
     "--num_processes", "0"),
    ("--coordinator localhost:1234 --num_processes 2 --process_id 2",
     "--process_id", "2"),
    ("--num_processes two", "--num_processes", "'two'"),
)

# Recipes that are none.
_RECIPES = (
    ("digit:resnet8,cutmix", "'digit'", "did you mean 'digits'"),
    ("digits", "digits", "dmjax recipes digits"),
    ("digits:", "digits", "dmjax recipes digits"),
    ("''", "''", "valid names"),
    ("digits:resnet8,cutmx", "'cutmx'", "did you mean 'cutmix'"),
    ("digits:resnet8,cutmix,dn", "'dn'", "did you mean 'dm'"),
    ("digits:resnet8,cutmix,foo", "'foo'"),
    ("digits:resnet8,,cutmix", "''"),
    ("digits:cutmix,dm", "network", "digits:resnet8"),
    ("digits:resnet8,dm", "dm needs a mixer"),
    ("digits:resnet8,cutmix,mixup", "'cutmix'", "'mixup'", "keep one"),
    ("digits:resnet8,resnet8", "'resnet8'", "twice"),
    ("digits:resnet8,transmix", "transmix", "resnet8"),
    ("cifar100:resnet18,cutmix,automix", "'automix'", "keep one"),
    ("imagenet:resnet50,cutmix", "imagenet", "recipes"),
    ("mine.py", "there is no file 'mine.py'"),
    ("mine.txt", "'mine.txt'", "ends in .py"),
)

_HEAD = "from dmjax import recipes\nimport ml_collections\n"
_SOUND = f"  config = recipes.load({RECIPE!r})\n"

# Whole files of one's own, and what the line must say beside `mine.py`.
_SOURCES = (
    ("", "get_config"),
    ("get_config = 3\n", "get_config"),
    ("def get_config(:\n", "line 1", "SyntaxError"),
    ("import no_such_module\n", "line 1", "no_such_module"),
    ("def get_config():\n  return 1 / 0\n", "line 2", "ZeroDivisionError"),
    ("raise RuntimeError('no disk')\n", "line 1", "RuntimeError: no disk"),
    ("raise SystemExit('over')\n", "line 1", "SystemExit: over"),
    ("raise RuntimeError('two\\nlines')\n", "line 1", "two"),
    ("def get_config():\n  return {'seed': 0}\n", "ConfigDict", "dict"),
    ("def get_config():\n  pass\n", "ConfigDict", "NoneType"),
    ("def get_config(size):\n  pass\n", "needs an argument", "mine.py:ARG"),
    ("\x00", "mine.py"),
    (b"\xff\xfe\x00", "mine.py"),
    (_HEAD + "def get_config():\n  return ml_collections.ConfigDict()\n",
     "'batch_size'"),
    (_HEAD + "def get_config():\n" + _SOUND + "  config.batch_size = 'a'\n",
     "line 5", "batch_size"),
)

# Changes to a sound configuration in a file of one's own, past the checks of
# types that a ConfigDict makes itself.
_CHANGES = (
    ("del config.mix", "'mix'"),
    ("del config.seed", "'seed'"),
    ("del config.data.flip", "'data.flip'"),
    ("del config.optimizer.lr", "'optimizer.lr'"),
    ("del config.mix.name", "'mix.name'"),
    ("del config.evaluate.mix", "'evaluate.mix'"),
    ("config.batch_size = 'a'", "batch_size", "'a'"),
    ("config.batch_size = None", "batch_size", "None"),
    ("config.batch_size = True", "batch_size", "True"),
    ("config.total = 5", "total", "5"),
    ("config.total = None", "total", "None"),
    ("config.mix = 'cutmix'", "mix", "'cutmix'"),
    ("config.data = 'digits'", "data", "'digits'"),
    ("config.evaluate = None", "evaluate", "None"),
    ("config.optimizer.lr = '0.1'", "optimizer.lr", "'0.1'"),
    ("config.optimizer.lr = None", "optimizer.lr", "None"),
    ("config.optimizer.weight_decay = None", "optimizer.weight_decay", "None"),
    ("config.optimizer.momentum = 'a'", "optimizer.momentum", "'a'"),
    ("config.optimizer.decay_all = 'yes'", "optimizer.decay_all", "'yes'"),
    ("config.optimizer.nosuch = 1", "nosuch"),
    ("config.schedule.name = 3", "schedule.name", "3"),
    ("config.model.name = 3", "model", "3"),
    ("config.mix.name = 3", "mix", "3"),
    ("config.model.dtype = 32", "model.dtype", "32"),
    ("config.model.nosuch = 1", "'nosuch'"),
    ("config.mix.alpha = 'a'", "alpha", "'a'"),
    ("config.mix.alhpa = 1.0", "'alhpa'", "did you mean 'alpha'"),
    ("config.loss.etha = 1.0", "'etha'", "did you mean 'eta'"),
    ("config.loss.eta = 'a'", "eta", "'a'"),
    ("config.method.nosuch = 1.0", "'nosuch'"),
    ("config.method.ema_decay = 'a'", "ema_decay", "'a'"),
    ("config.data.mean = 0.5", "data.mean", "0.5"),
    ("config.data.mean = ('a', 'b', 'c')", "data.mean", "'a'"),
    ("config.data.std = ('a', 'b', 'c')", "data.std", "'a'"),
    ("config.data.flip = 1", "data.flip", "1"),
    ("config.data.name = 3", "data.name", "3"),
    ("config.seed = 0.5", "seed", "0.5"),
    ("config.sede = 3", "'sede'", "did you mean 'seed'"),
    ("config.data.filp = True", "'data.filp'", "did you mean 'data.flip'"),
    ("config.mix = {'name': 'choose', 'mixers': ('cutmix',), 'probs': (1.0,)}",
     "cutmix"),
    ("config.mix = {'name': 'choose', 'mixers': ({'name': 'cutmx'},), 'probs': (1.0,)}",
     "'cutmx'"),
    ("config.mix = {'name': 'choose', 'mixers': ({'name': 'cutmix'},), 'probs': (2.0, 1.0)}",
     "probs"),
    ("config.mix = {'name': 'sometimes', 'mixer': {'name': 'cutmix'}, 'p': 3.0}",
     "p", "3"),
    ("config.method.groups = {'headd': {'lr': 1.0}}", "headd"),
)


def _mine(change):
  body = textwrap.indent(change, "    ")
  return (
      _HEAD + "def get_config():\n" + _SOUND
      + f"  with config.unlocked(), config.ignore_type():\n{body}\n  return config\n"
  )


_SHAPE = {"shape": [32, 32, 3], "size": 48, "kind": "image",
          "class_names": [str(i) for i in range(10)]}


def _a_run():
  """The files of a run that was started, and has no checkpoint."""
  from dmjax import recipes  # pylint: disable=g-import-not-at-top

  config = recipes.load(RECIPE)
  return {
      "runs/a/config.json": config.to_json(),
      "runs/a/data.json": json.dumps(_SHAPE),
  }


def _with(files, **changes):
  return files | {f"runs/a/{k}.json": v for k, v in changes.items()}


def _tensors(**tensors):
  return safetensors.numpy.save(tensors)


def _commands():
  """Other commands, and those that need files."""
  run = _a_run()
  empty = json.dumps({})
  pretrained = "--config.pretrained=a.safetensors"
  file = "a.safetensors"
  whole = _tensors(**{f"layer{i}": np.zeros(3, np.float32) for i in range(9)})
  yield from (
      # Workdirs.
      Case(_train(RECIPE, workdir="''"), ("--workdir", "''")),
      Case(_train(RECIPE, workdir="' '"), ("--workdir",)),
      Case(_train(RECIPE), ("runs/a", "not empty"), {"runs/a/notes.txt": "mine"}),
      Case(_train(RECIPE, workdir="file"), ("'file'", "--workdir"), {"file": ""}),
      Case(_train(RECIPE, workdir="file/a"), ("file/a",), {"file": ""}),
      Case(_train(RECIPE), ("config.json", "damaged"),
           {"runs/a/config.json": "{"}),
      Case(_train(RECIPE), ("config.json", "damaged"),
           {"runs/a/config.json": "[1]"}),
      Case(_train(RECIPE, "--config.seed=5"), ("seed was 0, now 5",), run),
      Case(_train(RECIPE, "--config.total='1 steps'"), ("total was",), run),
      Case(f"train --config {RECIPE}", ("--workdir",)),
      Case("train --workdir runs/a", ("--config",)),
      # Files to start from.
      Case(_train(RECIPE, pretrained), ("a.safetensors'", "cannot be read"),
           {file: b"\x10\x00"}),
      Case(_train(RECIPE, pretrained), ("a.safetensors'", "cannot be read"),
           {file: b"PK\x03\x04 a pickle of PyTorch"}),
      Case(_train(RECIPE, pretrained), ("a.safetensors'", "cannot be read"),
           {file: whole[:-8]}),
      Case(_train(RECIPE, pretrained), ("a.safetensors'", "cannot be read"),
           {file: b""}),
      Case(_train(RECIPE, pretrained),
           ("a.safetensors'", "unexpected: layer0", "and 4 more"), {file: whole}),
      Case(_train(RECIPE, "--config.pretrained=a.pth"),
           ("a.pth'", ".safetensors"), {"a.pth": b"PK"}),
      Case(_train(RECIPE, "--config.pretrained=folder"),
           ("'", "folder", ".safetensors"), {"folder/x": b""}),
      Case(_train(RECIPE, "--config.init_from=runs/a", "runs/b"),
           ("runs/a", "no checkpoint"), run),
      Case(_train(RECIPE, "--config.mix.name=automix"
                  " --config.mix.workdir=runs/a", "runs/b"),
           ("runs/a", "no checkpoint"), run),
      # Arguments of files of one's own.
      Case(_train("mine.py:wide"), ("mine.py", "takes no argument"),
           {"mine.py": _mine("pass")}),
      Case(_train("mine.txt"), ("'mine.txt'", ".py"), {"mine.txt": "hello"}),
      Case(_train("mine.py/x.py"), ("mine.py/x.py",), {"mine.py": ""}),
      # evaluate.
      Case("evaluate", ("--workdir",)),
      Case("evaluate --workdir runs/none", ("runs/none", "no run")),
      Case("evaluate --workdir ''", ("--workdir", "''")),
      Case("evaluate --workdir runs/a", ("config.json", "damaged"),
           {"runs/a/config.json": "{"}),
      Case("evaluate --workdir runs/a", ("runs/a", "data.json"),
           {"runs/a/config.json": run["runs/a/config.json"]}),
      Case("evaluate --workdir runs/a", ("data.json", "damaged"),
           _with(run, data="{")),
      Case("evaluate --workdir runs/a", ("data.json", "damaged"),
           _with(run, data=empty)),
      Case("evaluate --workdir runs/a", ("'batch_size'",),
           _with(run, config=empty)),
      Case("evaluate --workdir runs/a", ("runs/a", "no checkpoint"), run),
      Case("evaluate --workdir runs/a --step 5", ("runs/a", "step 5"), run),
      Case("evaluate --workdir runs/a --step 5", ("runs/a", "step 5", "[3]"),
           run | {"runs/a/checkpoints/3/x": ""}),
      Case("evaluate --workdir runs/a --step last", ("--step", "'last'"), run),
      Case("evaluate --workdir runs/a --best", ("runs/a", "no evaluated"), run),
      Case("evaluate --workdir runs/a --best --step 3", ("--step", "--best"), run),
      Case("evaluate --workdir runs/a --config.data.tets=x",
           ("'data.tets'", "'data.test'"), run),
      Case("evaluate --workdir runs/a --config.data.test=validation",
           ("'validation'", "split"), run),
      Case("evaluate --workdir runs/a --config digits", ("--config",), run),
      # predict.
      Case("predict --workdir runs/a", ("IMAGE",)),
      Case("predict x.png", ("--workdir",), {"x.png": ""}),
      Case("predict --workdir runs/a x.png", ("'x.png'",), run),
      Case("predict --workdir runs/none x.png", ("runs/none", "no run"),
           {"x.png": ""}),
      Case("predict --workdir runs/a x.png", ("config.json", "damaged"),
           {"runs/a/config.json": "\x00", "x.png": ""}),
      Case("predict --workdir runs/a x.png --top 0", ("--top", "0"),
           run | {"x.png": ""}),
      Case("predict --workdir runs/a x.png --top all", ("--top", "'all'"),
           run | {"x.png": ""}),
      Case("predict --workdir runs/a x.png --format xml", ("--format", "'xml'"),
           run | {"x.png": ""}),
      Case("predict --workdir runs/a x.png --step 7", ("runs/a", "step 7"),
           run | {"x.png": ""}),
      Case("predict --workdir runs/a runs", ("'runs'",), run),
      # preview.
      Case("preview --out x.png", ("--config", "--all", "--workdir")),
      Case(f"preview --all --config {RECIPE} --out x.png", ("--config", "--all")),
      Case("preview --all --workdir runs/a --out x.png", ("--all", "--workdir"),
           run),
      Case(f"preview --config {RECIPE}", ("--out",)),
      Case(f"preview --config {RECIPE} --out x", ("--out", "'x'", ".png")),
      Case("preview --all --out x.jpg", ("--out", "'x.jpg'", ".png")),
      Case(f"preview --config {RECIPE} --out ''", ("--out", "''", ".png")),
      Case(f"preview --config {RECIPE} --out file/x.png", ("--out", "file/x.png"),
           {"file": ""}),
      Case("preview --all --out file/deep/x.png", ("--out", "file/deep/x.png"),
           {"file": ""}),
      Case("preview --all --out x.png", ("--out", "'x.png'"), {"x.png/y": ""}),
      Case(f"preview --config {RECIPE} --stage mixed --out x.png",
           ("--stage", "'mixed'")),
      Case(f"preview --config {RECIPE} --out x.png --config.mix.name=cutmx",
           ("'cutmx'", "'cutmix'")),
      Case("preview --config digit:resnet8 --out x.png", ("'digit'", "'digits'")),
      Case("preview --all --out x.png --config.seed=1", ("'--config.seed=1'",)),
      Case("preview --workdir runs/none --out x.png", ("runs/none", "no run")),
      Case("preview --workdir runs/a --out x.png", ("config.json", "damaged"),
           {"runs/a/config.json": "{'seed': 0}"}),
      Case("preview --workdir runs/a --out deep/x.png", ("runs/a",), run),
      Case("preview --workdir runs/a --stage augment --out x.png",
           ("--stage augment", "--config"), run),
      Case("preview --all --stage augment --out x.png", ("--stage augment", "--config")),
      # The rest.
      Case("list", ("what",)),
      Case("list mixer", ("'mixer'", "mixers")),
      Case("list mixers more", ("'more'",)),
      Case("recipes cifar", ("'cifar'", "did you mean 'cifar10'")),
      Case("recipes cifar100 --name", ("'--name'",)),
      Case("recipes cifar100 more", ("'more'",)),
      Case("prepare", ("name",)),
      Case("prepare cifar1000", ("'cifar1000'", "did you mean 'cifar10")),
      Case("prepare ''", ("''",)),
      Case("prepare cifar100 more", ("'more'",)),
      Case("prepare cifar100/nosuch", ("nosuch", "cifar100")),
      Case("prepare cifar100:9.9.9", ("9.9.9",)),
      Case("prepare mock", ("'mock'",)),
      Case("prepare digits --data_dir file", ("--data_dir", "'file'"), {"file": ""}),
      Case("", ("command",)),
      Case("trian", ("'trian'", "train")),
      Case("--verbose", ("command",)),
  )


def _cases():
  for override, *says in _OVERRIDES:
    key, value = override.split("=")
    # Names are said with what they are of: "unknown mixer 'cutmx'".
    last = key.rpartition(".")[2]
    named = {"name": "", "train": "split", "test": "split"}.get(last, last)
    argument = shlex.quote(f"--config.{key}={value}")
    value = value.removeprefix("./")  # Paths are said in full.
    yield Case(_train(RECIPE, argument), (named, value, *says))
  for argument, *says in _ARGUMENTS:
    yield Case(_train(RECIPE, argument), tuple(says))
  for recipe, *says in _RECIPES:
    yield Case(_train(recipe), tuple(says))
  for source, *says in _SOURCES:
    yield Case(_train("mine.py"), says, {"mine.py": source})
  for change, *says in _CHANGES:
    yield Case(_train("mine.py"), tuple(says), {"mine.py": _mine(change)})
  yield from _commands()


CASES = tuple(_cases())
