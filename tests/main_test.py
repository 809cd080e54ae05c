"""The command line: bad input is named before anything is done."""

import os
import pathlib

import pytest

from dmjax import main
from dmjax import mixers
from dmjax.commands import exits

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = str(ROOT / "tests" / "tiny_config.py")


def train(workdir, *overrides, config=CONFIG):
  return main.main(
      ["train", "--config", config, "--workdir", str(workdir), *overrides]
  )


@pytest.mark.parametrize(
    "override,words",
    (
        ("--config.optimiser.lr=1", "did you mean 'optimizer.lr'"),
        ("--config.batch_siz=8", "did you mean 'batch_size'"),
        ("--config.optimizer.lr=fast", "could not convert"),
        ("--seed=3", "unknown argument '--seed=3'"),
        ("--config.mix.name=cutmx", "unknown mixer 'cutmx'; did you mean 'cutmix'"),
        ("--config.mix.alpha=-1.0", "alpha must be > 0, got -1.0"),
        ("--config.loss.eta=-1.0", "eta must be >= 0, got -1.0"),
        ("--config.loss.name=decoupled", "unknown loss 'decoupled'"),
        ("--config.optimizer.name=sgdd", "unknown optimizer 'sgdd'; did you mean 'sgd'"),
        ("--config.optimizer.momentums=1", "did you mean 'optimizer.momentum'"),
        ("--config.optimizer.lr=0.0", "optimizer.lr must be > 0"),
        ("--config.schedule.name=cosin", "did you mean 'cosine'"),
        ("--config.model.name=resnet9", "unknown model 'resnet9'"),
        ("--config.data.name=digit", "unknown dataset 'digit'; did you mean"),
        ("--config.data.train=trainn", "has no split 'trainn'; did you mean"),
        ("--config.method.name=supervise", "did you mean 'supervised'"),
        ("--config.method.saliency=gradient", "unknown saliency 'gradient'"),
        ("--config.data.auto_augment=rand-m11", "magnitude in [0, 10]"),
        ("--config.data.mean=(0.1,0.2)", "data.mean must have 1 or 1 values"),
        ("--config.data.pipeline=fast", "data.pipeline must be one of resident, streaming, got 'fast'"),
        ("--config.batch_size=30", "multiple of the 4 devices, got 30"),
        ("--config.batch_size=400", "at most the 200 training examples, got 400"),
        ("--config.total=ten epochs", "total must be a duration"),
        ("--config.total=0 steps", "total must be at least one step"),
    ),
)
def test_bad_input_is_named_with_the_way_out(tmp_path, capsys, override, words):
  assert train(tmp_path / "run", override) == exits.BAD_INPUT
  assert words in capsys.readouterr().err
  assert not (tmp_path / "run").exists()


def test_a_lambda_outside_zero_to_one_is_named(tmp_path, capsys):
  config = tmp_path / "half.py"
  config.write_text(
      "from tests import tiny_config\n"
      "def get_config():\n"
      "  config = tiny_config.get_config()\n"
      "  config.mix = {'name': 'mixup', 'lam': 1.5}\n"
      "  return config\n"
  )
  assert train(tmp_path / "run", config=str(config)) == exits.BAD_INPUT
  assert "lam must lie in [0, 1], got 1.5" in capsys.readouterr().err


def test_an_option_of_another_mixer_is_named(tmp_path, capsys):
  config = tmp_path / "decay.py"
  config.write_text(
      "from tests import tiny_config\n"
      "def get_config():\n"
      "  config = tiny_config.get_config()\n"
      "  config.mix = {'name': 'mixup', 'alhpa': 1.0}\n"
      "  return config\n"
  )
  assert train(tmp_path / "run", config=str(config)) == exits.BAD_INPUT
  assert "no option 'alhpa'; did you mean 'alpha'" in capsys.readouterr().err


def test_the_workdir_of_another_configuration_is_refused(tiny_run, capsys):
  assert train(tiny_run[0]) == 0
  assert "clean top-1, median of the last 10" in capsys.readouterr().out
  assert train(tiny_run[0], "--config.seed=5") == 2
  assert "seed was 0, now 5" in capsys.readouterr().err


def test_a_workdir_that_cannot_be_written_is_refused(tmp_path, capsys):
  (tmp_path / "file").write_text("")
  assert train(tmp_path / "file" / "run") == exits.BAD_INPUT
  assert "cannot be written" in capsys.readouterr().err


def test_a_configuration_that_is_not_there_is_named(tmp_path, capsys):
  assert train(tmp_path, config="configs/none.py") == exits.BAD_INPUT
  assert "there is no file" in capsys.readouterr().err


def test_evaluating_no_run_is_named(tmp_path, capsys):
  assert main.main(["evaluate", "--workdir", str(tmp_path)]) == 2
  assert "holds no run" in capsys.readouterr().err


def test_preview_draws_a_picture(tmp_path):
  out = tmp_path / "deep" / "mixed.png"
  assert main.main(["preview", "--config", CONFIG, "--out", str(out)]) == 0
  assert out.stat().st_size > 5000


def test_preview_draws_all_mixers_on_the_same_pairs(tmp_path, monkeypatch):
  few = {name: mixers.MIXERS[name] for name in ("cutmix", "saliencymix", "transmix")}
  monkeypatch.setattr(mixers, "MIXERS", few)
  out = tmp_path / "zoo.png"
  assert main.main(["preview", "--all", "--out", str(out)]) == 0
  assert out.stat().st_size > 20000


def test_preview_needs_a_configuration_or_all(tmp_path, capsys):
  assert main.main(["preview", "--out", str(tmp_path / "x.png")]) == 2
  assert "either --config or --all" in capsys.readouterr().err


@pytest.mark.parametrize("pipeline", ("resident", "streaming"))
def test_preview_draws_augmented_images(tmp_path, pipeline):
  out = tmp_path / "augmented.png"
  overrides = ["--config.data.crop_scale=(0.3, 1.0)", "--config.data.erase=0.5",
               "--config.data.jitter=0.4", "--config.data.cutout=3",
               f"--config.data.pipeline={pipeline}"]
  overrides += ["--config.data.auto_augment=rand-m9-mstd0.5-inc1"]
  if pipeline == "streaming":
    overrides += ["--config.data.image_size=12"]
  arguments = ["preview", "--stage", "augment", "--config", CONFIG]
  assert main.main([*arguments, "--out", str(out), *overrides]) == 0
  assert out.stat().st_size > 5000


@pytest.mark.parametrize("command", ("train", "evaluate", "preview", "recipes", "prepare"))
def test_help_is_there_for_every_command(command, capsys):
  with pytest.raises(SystemExit) as end:
    main.main([command, "--help"])
  assert end.value.code == 0
  assert "usage: dmjax " + command in capsys.readouterr().out


def test_preparing_without_tensorflow_names_the_extra(tmp_path, capsys):
  pytest.importorskip("tensorflow_datasets")
  if os.environ.get("DMJAX_HAS_TENSORFLOW"):
    pytest.skip("TensorFlow is installed")
  from dmjax.data import sources  # pylint: disable=g-import-not-at-top

  class NeedsTensorFlow:

    def __init__(self, **options):
      pass

    def download_and_prepare(self):
      raise ModuleNotFoundError("No module named 'tensorflow'")

  builders = dict(sources.BUILDERS) | {"raw": NeedsTensorFlow}
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(sources, "BUILDERS", builders)
    assert main.main(["prepare", "raw", "--data_dir", str(tmp_path)]) == 2
  assert "dmjax[prepare]" in capsys.readouterr().err
