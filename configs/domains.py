"""What sets of several domains share: FIX and FIXED.

FIX takes any loss, DM(CE) as well; FIXED has the large-margin loss. Without
mixing FIX is DANN, with `method.reversal` 0 it mixes features alone.
"""

from collections.abc import Mapping
from typing import Any

# The defaults of the authors' code; a margin of 10000 is that of the method.
_FIX = {"mix.alpha": 0.2, "mix.per_batch": True, "method.reversal": 0.1}
METHODS: Mapping[str, Mapping[str, Any]] = {"fix": _FIX, "fixed": _FIX}
# The loss of FIXED is its own.
PLAIN = ("identity", "automix", "samix", "fixed")
NOTES = {
    method: "alpha, reversal and margin are defaults of the authors' code"
    for method in METHODS
}
