"""Probes: what a trained network has learned.

`PROBES` holds them by the name that `dmjax probe --probes` takes.
"""

from dmjax.evaluate.probes import clean as _clean
from dmjax.evaluate.probes import corruptions as _corruptions
from dmjax.evaluate.probes import fgsm as _fgsm
from dmjax.evaluate.probes import mixed as _mixed
from dmjax.evaluate.probes import occlusion as _occlusion
from dmjax.evaluate.probes import ood as _ood
from dmjax.evaluate.probes import pgd as _pgd
from dmjax.evaluate.probes import shift as _shift
from dmjax.evaluate.probes import verification as _verification
from dmjax.evaluate.probes.base import Case
from dmjax.evaluate.probes.base import judged
from dmjax.evaluate.probes.base import means
from dmjax.evaluate.probes.base import Model
from dmjax.evaluate.probes.base import Options
from dmjax.evaluate.probes.base import Probe

PROBES: dict[str, Probe] = {
    "clean": _clean.PROBE,
    "mixed": _mixed.PROBE,
    "fgsm": _fgsm.PROBE,
    "pgd": _pgd.PROBE,
    "corruptions": _corruptions.PROBE,
    "occlusion": _occlusion.PROBE,
    "shift": _shift.PROBE,
    "ood": _ood.PROBE,
    "verification": _verification.PROBE,
}

__all__ = ("Case", "Model", "Options", "PROBES", "Probe", "judged", "means")
