"""The configuration: every key with its meaning."""

import ml_collections


def default() -> ml_collections.ConfigDict:
  """The defaults; configuration files change what they need.

  Durations are strings: `200 epochs`, `500 steps`, `10000 examples`, `5 %`.
  """
  return ml_collections.ConfigDict({
      "seed": 0,
      # Over all devices and processes; must divide by the number of devices.
      "batch_size": 128,
      # Batch norm sees the batch of all devices, so that results do not depend
      # on how many there are. False for the part of each device by itself, as
      # most published runs on several GPUs have it, such as ImageNet's 100 and
      # 300 epochs at 64 images a GPU.
      "sync_batch_norm": True,
      "total": "200 epochs",
      # Optimizer steps per call of the compiled step, at most; 0 chooses: 1 on
      # CPU, about 10 elsewhere, where dispatch would else take its share.
      "steps_per_call": 0,
      # `name` and attributes of a network of `dmjax.models`.
      "model": {"name": "resnet18", "dtype": "float32"},
      # Parameters to start from: a `.safetensors` file in timm's layout, or the
      # workdir of another run, whose evaluated ones are taken.
      "pretrained": "",
      "init_from": "",
      "data": {
          # A TFDS dataset, an embedded one such as `digits` or `wine`, the path
          # of a folder of images, tables, recordings or texts, or `mock`.
          "name": "cifar100",
          # Where TFDS datasets lie; TFDS_DATA_DIR or ~/tensorflow_datasets.
          "dir": "",
          "train": "train",
          "test": "test",
          # The domain that is tested and not trained on, such as `sketch`, of
          # data that say where each example comes from; empty for none.
          "leave_out": "",
          # The part of `train` whose labels are used, `4 per class` or `15 %`
          # of each; all if empty. Drawn by a seed of its own.
          "labels": "",
          "labels_seed": 0,
          # The share of the labels of `train` that are replaced by another
          # class, each as often. Evaluation then also tells how many of them
          # the network has learned. Drawn by a seed of its own.
          "label_noise": 0.0,
          "label_noise_seed": 0,
          # `resident` (the split on the device) or `streaming` (Grain).
          "pipeline": "resident",
          "workers": 0,
          # Go on without examples that cannot be read, and say how many.
          "skip_bad": False,
          # 1 for grey, 3 for RGB; 0 for RGB where one image has colour.
          "channels": 0,
          # 0 keeps the size of the images.
          "image_size": 0,
          # Of test images: their size, `image_size` if 0, and the length their
          # shorter side gets before the central crop, the same if 0.
          "test_image_size": 0,
          "test_resize": 0,
          # Range of the area of a random crop that is resized; () for none.
          "crop_scale": (),
          "crop_padding": 4,
          "crop_mode": "reflect",
          "flip": True,
          # Strength of colour jitter.
          "jitter": 0.0,
          # A policy that takes the place of jitter: `rand-m9-mstd0.5-inc1`,
          # `openmixup-m7-mstd0.5`, `fixmatch-n3`, `trivial` or `augmix`. Or
          # `3a`, with jitter after it. "" for none.
          "auto_augment": "",
          # Probability of random erasing.
          "erase": 0.0,
          # Side of the square cut out; 0 for none.
          "cutout": 0,
          # Times that every image is in its batch (arXiv 1901.09335).
          "repeats": 1,
          # Examples of one class that stand together in a batch, for methods
          # that compare examples: `batch_size` is so many times the number of
          # classes on each device times that of devices. 0 for any classes.
          "per_class": 0,
          # Of the channels of images. Tables have those of their training rows.
          "mean": (0.4914, 0.4822, 0.4465),
          "std": (0.2023, 0.1994, 0.2010),
          # Of tables: log(1 + x) of every numeric column.
          "table": {"log1p": False},
          # Of texts, whose tokenizer is learned from the training texts.
          "text": {
              # Tokens of an example: a longer text is cut at its end.
              "max_length": 40,
              # Tokens that are known, two of which are padding and whatever is
              # unknown. The network has a `vocabulary` as large or larger.
              "vocabulary": 2000,
              # Tokens are `words`, or `pieces` of words (byte-pair encoding).
              "tokens": "words",
              # Of the strong view, by EDA: shares of the tokens that are
              # swapped, and chances of each to be deleted, or replaced by any
              # other.
              "swap": 0.1,
              "delete": 0.1,
              "replace": 0.1,
              # The label of a dataset that has several, such as `label-fine`;
              # the first one if empty.
              "label": "",
          },
          # Of recordings, which become log-mel spectrograms on the device.
          "sound": {
              # Samples per second, where the data do not say; 0 for theirs.
              "rate": 0,
              # Length of an example: longer recordings are cut at their end,
              # shorter ones followed by silence.
              "seconds": 1.0,
              # Of a frame, and from one to the next, in seconds.
              "window": 0.032,
              "hop": 0.010,
              # Mel bands.
              "bands": 40,
              # Largest shift in time, to either side, in seconds.
              "shift": 0.0,
              # SpecAugment: the most bands, and seconds, that are masked.
              "band_mask": 0,
              "time_mask": 0.0,
              # Pattern of the file names, as `{speaker}_{take}.wav`, for splits
              # such as `train[speaker!=ann]`; that of the dataset if empty. What
              # it calls `{domain}` is the domain of a recording.
              "names": "",
              # The field of the file names that is the label, as `speaker`: its
              # values in a split are the classes of that split. The label of
              # the dataset if empty.
              "label": "",
          },
      },
      # Images whose labels nobody reads, for semi-supervised methods.
      "unlabelled": {
          # Their split, such as `train`; empty for none.
          "split": "",
          # How many of them beside each labelled image of a batch.
          "ratio": 7,
          # The strong view is the weak one, the augmentation of `data`, then a
          # policy as in `data.auto_augment`, then a grey square of up to this
          # share of the side.
          "auto_augment": "fixmatch-n3",
          "cutout": 0.5,
      },
      # `name` and options of a method of `dmjax.methods`. Those of `automix` are
      # in configs/automix.py.
      "method": {
          "name": "supervised",
          # Decay of the running average that is evaluated; 0 for none.
          "ema_decay": 0.0,
          # What guides a mixer that asks for saliency: `input_gradient` (one
          # extra pass), or `spectral_residual` or `fine_grained`, which need no
          # network.
          "saliency": "input_gradient",
          # What guides a mixer that asks for features, cam or attention: the
          # workdir of a run, or a `.safetensors` file in timm's layout that is
          # named after its network; the network itself if empty.
          "teacher": "",
          # Add the loss of SMMix, of the regions of a mixed image.
          "regions": False,
          # How long images are mixed, `90 %` or `250 epochs`.
          "until": "100 %",
          # When mixing starts, as `50 %`.
          "start": "0 %",
          # Labels are mixed by `w^p` where images are mixed by w.
          "label_power": 1.0,
      },
      # `name` and options of what is laid around the method, `sam` for the
      # gradient at a point nearby where the loss is higher.
      "wrap": {"name": "none"},
      # `name` and options of a mixer of `dmjax.mixers`.
      "mix": {"name": "cutmix", "alpha": 1.0, "per_batch": False},
      # `name` and options of a loss of `dmjax.losses`.
      "loss": {"name": "decoupled_cross_entropy", "eta": 0.1},
      # Options beside these go to the optimizer of optax.
      "optimizer": {
          "name": "sgd",
          "lr": 0.1,
          "momentum": 0.9,
          "weight_decay": 1e-4,
          # Decay norms and biases too.
          "decay_all": True,
          # Global norm that gradients are clipped to; 0 for none.
          "clip_norm": 0.0,
          # Factor of the rate from each layer to the one before; 1 for none.
          "layer_decay": 1.0,
      },
      "schedule": {
          "name": "cosine",
          "warmup": "0 steps",
          "warmup_lr": 0.0,
          "end_lr": 0.0,
          # Hold the rate within an epoch, as the CIFAR recipes do.
          "per_epoch": False,
      },
      "evaluate": {
          "every": "10 epochs",
          "batch_size": 256,
          # Mixer of the mixed test data; every row by itself.
          "mix": {"name": "cutmix", "alpha": 1.0},
      },
      "checkpoint": {"every": "10 epochs", "keep": 2},
      "log": {"every": "50 steps"},
      # What is known of this recipe elsewhere; training does not read it.
      "published": {
          # Accuracy in percent by length of training, `{"200 epochs": 79.45}`.
          "top1": {},
          # How it was measured: `best`, `last` or `median` of the evaluations.
          "rule": "median",
          # Over how many last evaluations; 0 for those of the whole run.
          "last": 10,
          "source": "",
          # Of DM without a number of its own, that of its mixup loss, in words.
          "beside": "",
          "note": "",
      },
  })
