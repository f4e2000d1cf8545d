"""Real requests and answers of Stripe's, where there are any: beside the project's folder.

``BILLING_STRIPE_SAMPLES`` names another folder. The project ships none of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

_BESIDE: Final = Path(__file__).parent.parent.parent.parent / "shared" / "stripe-samples"
SAMPLES: Final = Path(os.environ.get("BILLING_STRIPE_SAMPLES") or _BESIDE)
RECORDED: Final = SAMPLES / "recorded"
"""What was recorded of recent versions: each file has a list of interactions."""
OLD_EVENTS: Final = SAMPLES / "events"
"""Events of the version 2020-08-27, one in each file."""
MISSING: Final = "no samples of Stripe's traffic beside the project"


def interactions() -> list[dict[str, Any]]:
    """The recorded requests, each with its response."""
    return [
        interaction
        for file in sorted(RECORDED.glob("*.json"))
        for interaction in json.loads(file.read_text(encoding="utf-8"))["interactions"]
    ]
