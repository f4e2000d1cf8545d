"""When something that failed is tried again: later and later, and not all at one moment."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

LONGEST: Final = 86_400
_FACTOR: Final = 3
_STEPS: Final = 1_000


def delay(first: int, attempts: int, identity: str) -> int:
    """Return the seconds to wait after so many attempts, at least 1, at most :data:`LONGEST`.

    ``first`` is the wait after the first one; each is three times the one before. The result is
    up to a tenth shorter or longer, as ``identity`` and the attempt decide: what fails together
    does not come back together, and yet the same wait comes out every time.
    """
    # A power of hundreds of attempts need not be worked out to be cut off.
    plain: int = min(first * _FACTOR ** min(attempts - 1, 40), LONGEST)
    digest = sha256(f"{identity}/{attempts}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") % (2 * _STEPS + 1) - _STEPS
    return max(1, min(plain + plain * share // (10 * _STEPS), LONGEST))
