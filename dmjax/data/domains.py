"""The kinds of input: what `Source.kind` names.

A kind is one file, which says how its datasets and folders are opened and what
the engine has to know of it, and one line here. Of a dataset or a folder it is
the first that recognises it.
"""

from collections.abc import Mapping

from dmjax.data import base
from dmjax.data import images

DOMAINS: Mapping[str, base.Domain] = {
    "image": images.DOMAIN,
}
