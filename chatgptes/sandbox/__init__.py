"""A local sandbox: WordPress sites with a chat bot, for trying things out and for tests.

    with chatgptes.sandbox.Site() as site:
        print(chatgptes.Client(site.url).chat("Hello"))

It speaks every dialect of both plugins over real sockets, needs the standard library only, and
knows nothing of the library's own reading of them: where the two disagree, one of them is wrong.
`python -m chatgptes.sandbox` serves a site until it is stopped.
"""

from __future__ import annotations

from .bot import ModelError
from .faults import FAULTS
from .request import Received
from .site import Site

__all__ = ["FAULTS", "ModelError", "Received", "Site"]
