"""Tensors of timm's networks: names and shapes, as its constructors make."""


def batch_norm(name, width):
  leaves = ("weight", "bias", "running_mean", "running_var")
  return {f"{name}.{leaf}": (width,) for leaf in leaves}


def affine(name, *shape):
  """A convolution, a dense layer or a norm, with a bias."""
  return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def resnet(block, depths, groups=1, base=64):
  """Tensors of `timm.models.resnet`, as its constructor creates them."""
  tensors = {"conv1.weight": (64, 3, 7, 7)} | batch_norm("bn1", 64)
  expansion, inputs = {"basic": 1, "bottleneck": 4}[block], 64
  for layer, depth in enumerate(depths):
    planes = 64 << layer
    inner, outputs = planes * base // 64 * groups, planes * expansion
    for i in range(depth):
      at = f"layer{layer + 1}.{i}"
      if block == "basic":
        convs = [(outputs, inputs, 3, 3), (outputs, outputs, 3, 3)]
      else:
        convs = [
            (inner, inputs, 1, 1),
            (inner, inner // groups, 3, 3),
            (outputs, inner, 1, 1),
        ]
      for j, shape in enumerate(convs, 1):
        tensors[f"{at}.conv{j}.weight"] = shape
        tensors |= batch_norm(f"{at}.bn{j}", shape[0])
      if i == 0 and (layer > 0 or inputs != outputs):
        tensors[f"{at}.downsample.0.weight"] = (outputs, inputs, 1, 1)
        tensors |= batch_norm(f"{at}.downsample.1", outputs)
      inputs = outputs
  return tensors | affine("fc", 1000, inputs)


def mobilenet():
  """Tensors of `timm.models.efficientnet.mobilenetv2_100`."""
  tensors = {"conv_stem.weight": (32, 3, 3, 3)} | batch_norm("bn1", 32)
  widths, inputs = (16, 24, 32, 64, 96, 160, 320), 32
  for stage, (width, depth) in enumerate(zip(widths, (1, 2, 3, 4, 3, 3, 1))):
    for i in range(depth):
      at, inner = f"blocks.{stage}.{i}", inputs * (6 if stage else 1)
      convs = {"conv_dw": (inner, 1, 3, 3)}
      if stage:
        convs = {"conv_pw": (inner, inputs, 1, 1)} | convs
      convs["conv_pwl" if stage else "conv_pw"] = (width, inner, 1, 1)
      for j, (conv, shape) in enumerate(convs.items(), 1):
        tensors[f"{at}.{conv}.weight"] = shape
        tensors |= batch_norm(f"{at}.bn{j}", shape[0])
      inputs = width
  tensors["conv_head.weight"] = (1280, 320, 1, 1)
  tensors |= batch_norm("bn2", 1280)
  return tensors | affine("classifier", 1000, 1280)


# Expansion, width, blocks, stride and side of the kernels of every stage.
B0 = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficientnet(stages=B0, last=1280, num_classes=1000):
  """Tensors of `timm.models.efficientnet`, EfficientNet-B0."""
  tensors = {"conv_stem.weight": (32, 3, 3, 3)} | batch_norm("bn1", 32)
  inputs = 32
  for stage, (expansion, width, depth, _, side) in enumerate(stages):
    for i in range(depth):
      at, inner = f"blocks.{stage}.{i}", inputs * expansion
      convs = {"conv_dw": (inner, 1, side, side)}
      if stage:
        convs = {"conv_pw": (inner, inputs, 1, 1)} | convs
      convs["conv_pwl" if stage else "conv_pw"] = (width, inner, 1, 1)
      for j, (conv, shape) in enumerate(convs.items(), 1):
        tensors[f"{at}.{conv}.weight"] = shape
        tensors |= batch_norm(f"{at}.bn{j}", shape[0])
      squeezed = inputs // 4
      tensors |= affine(f"{at}.se.conv_reduce", squeezed, inner, 1, 1)
      tensors |= affine(f"{at}.se.conv_expand", inner, squeezed, 1, 1)
      inputs = width
  tensors["conv_head.weight"] = (last, inputs, 1, 1)
  tensors |= batch_norm("bn2", last)
  return tensors | affine("classifier", num_classes, last)


def block(at, width):
  """What the transformers share."""
  return (
      affine(f"{at}.norm1", width)
      | affine(f"{at}.attn.qkv", 3 * width, width)
      | affine(f"{at}.attn.proj", width, width)
      | affine(f"{at}.norm2", width)
      | affine(f"{at}.mlp.fc1", 4 * width, width)
      | affine(f"{at}.mlp.fc2", width, 4 * width)
  )


def deit(width):
  """Tensors of `timm.models.deit`, without distillation."""
  tensors = {"cls_token": (1, 1, width), "pos_embed": (1, 197, width)}
  tensors |= affine("patch_embed.proj", width, 3, 16, 16)
  for i in range(12):
    tensors |= block(f"blocks.{i}", width)
  return tensors | affine("norm", width) | affine("head", 1000, width)


def swin(before_0_9=False):
  """Tensors of `timm.models.swin_transformer`, Swin-T."""
  tensors = affine("patch_embed.proj", 96, 3, 4, 4)
  tensors |= affine("patch_embed.norm", 96)
  for stage, depth in enumerate((2, 2, 6, 2)):
    width = 96 << stage
    for i in range(depth):
      at = f"layers.{stage}.blocks.{i}"
      table = f"{at}.attn.relative_position_bias_table"
      tensors |= block(at, width) | {table: (169, 3 << stage)}
    if stage:
      at = f"layers.{stage - 1 if before_0_9 else stage}.downsample"
      tensors[f"{at}.reduction.weight"] = (width, 2 * width)
      tensors |= affine(f"{at}.norm", 2 * width)
  head = "head" if before_0_9 else "head.fc"
  return tensors | affine("norm", 768) | affine(head, 1000, 768)


def convnext():
  """Tensors of `timm.models.convnext`, ConvNeXt-T."""
  tensors = affine("stem.0", 96, 3, 4, 4) | affine("stem.1", 96)
  for stage, depth in enumerate((3, 3, 9, 3)):
    width = 96 << stage
    if stage:
      at = f"stages.{stage}.downsample"
      tensors |= affine(f"{at}.0", width // 2)
      tensors |= affine(f"{at}.1", width, width // 2, 2, 2)
    for i in range(depth):
      at = f"stages.{stage}.blocks.{i}"
      tensors |= {f"{at}.gamma": (width,)} | affine(f"{at}.norm", width)
      tensors |= affine(f"{at}.conv_dw", width, 1, 7, 7)
      tensors |= affine(f"{at}.mlp.fc1", 4 * width, width)
      tensors |= affine(f"{at}.mlp.fc2", width, 4 * width)
  return tensors | affine("head.norm", 768) | affine("head.fc", 1000, 768)
