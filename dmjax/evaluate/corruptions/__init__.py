"""The fifteen corruptions of CIFAR-10-C and ImageNet-C (arXiv 1903.12261).

Each of `CORRUPTIONS` is a pure function of one image:

    corrupt(key, image, severity) -> image

The image is `float32[H, W, C]` in [0, 1], C = 1 or 3, of any size, and so is
what comes back. The severity is a number from 1 to 5. It may be traced: it only
picks rows of tables, and one compiled function serves all five. Functions that
draw nothing ignore the key. Map them over a batch:

    jax.vmap(fog, in_axes=(0, 0, None))(keys, images, severity)

Constants are those of CIFAR-10-C where no side is above 64 pixels, and those of
ImageNet-C elsewhere. The random numbers are others, nothing is rounded to 8
bits on the way, and `frost` has no photographs to lay over the image, see
there. The fifteenth, `jpeg_compression`, runs on the host.
"""

from dmjax.evaluate.corruptions._blur import defocus_blur
from dmjax.evaluate.corruptions._blur import glass_blur
from dmjax.evaluate.corruptions._blur import motion_blur
from dmjax.evaluate.corruptions._blur import zoom_blur
from dmjax.evaluate.corruptions._constants import Corruption
from dmjax.evaluate.corruptions._digital import brightness
from dmjax.evaluate.corruptions._digital import contrast
from dmjax.evaluate.corruptions._digital import elastic_transform
from dmjax.evaluate.corruptions._digital import jpeg_compression
from dmjax.evaluate.corruptions._digital import pixelate
from dmjax.evaluate.corruptions._noise import gaussian_noise
from dmjax.evaluate.corruptions._noise import impulse_noise
from dmjax.evaluate.corruptions._noise import shot_noise
from dmjax.evaluate.corruptions._weather import fog
from dmjax.evaluate.corruptions._weather import frost
from dmjax.evaluate.corruptions._weather import snow

CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": gaussian_noise,
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "defocus_blur": defocus_blur,
    "glass_blur": glass_blur,
    "motion_blur": motion_blur,
    "zoom_blur": zoom_blur,
    "snow": snow,
    "frost": frost,
    "fog": fog,
    "brightness": brightness,
    "contrast": contrast,
    "elastic_transform": elastic_transform,
    "pixelate": pixelate,
}

# All fifteen, in the order of the paper.
NAMES = (*CORRUPTIONS, "jpeg_compression")

__all__ = (
    "CORRUPTIONS",
    "Corruption",
    "NAMES",
    "brightness",
    "contrast",
    "defocus_blur",
    "elastic_transform",
    "fog",
    "frost",
    "gaussian_noise",
    "glass_blur",
    "impulse_noise",
    "jpeg_compression",
    "motion_blur",
    "pixelate",
    "shot_noise",
    "snow",
    "zoom_blur",
)
