"""The kinds of input: what `Source.kind` names.

A kind is one file, which says how its datasets and folders are opened and what
the engine has to know of it, and one line here. Of a dataset or a folder it is
the first that recognises it, and images are any folder.
"""

from collections.abc import Mapping

from dmjax.data import base
from dmjax.data import graphs
from dmjax.data import images
from dmjax.data import sounds
from dmjax.data import tables
from dmjax.data import texts

DOMAINS: Mapping[str, base.Domain] = {
    "graph": graphs.DOMAIN,
    "sound": sounds.DOMAIN,
    "table": tables.DOMAIN,
    "text": texts.DOMAIN,
    "image": images.DOMAIN,
}
