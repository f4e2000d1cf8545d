"""One run of the sync: what it found to do, what became of it, and how it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.services.stripe_requests import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_cli.services.stripe_access import Account

PLANNED, DONE, FAILED = "planned", "done", "failed"


class Change(NamedTuple):
    """Something to be done on one of the two sides, or done; ``amount`` is decimal text.

    ``kind`` is what it is about, ``action`` such as ``create``, ``side`` where: ``stripe`` or
    ``here``.
    """

    kind: str
    action: str
    side: str
    user_id: str | None
    name: str
    amount: str | None = None
    detail: str | None = None
    outcome: str = PLANNED


@dataclass(slots=True)
class Run:
    """What all parts of a sync share.

    In a rehearsal (``dry``) nothing is sent and nothing kept. ``report`` is given each change, when
    it is planned in a rehearsal, or else when it is done or has failed. ``since`` leaves out what
    is older and not on Stripe.
    """

    account: Account
    report: Callable[[Change], None]
    advance: Callable[[int], None] = lambda _: None
    dry: bool = False
    since: int = 0
    failed: int = 0
    tickets: int = 0
    """Taken before what is being sent was sent: what it leaves is at least as new."""
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        """Make what sends."""
        self.sender = Sender(self.account)

    def tell(self, change: Change, problem: str | None = None) -> None:
        """Report a change: as planned in a rehearsal, done, or failed because of a problem."""
        if self.dry:
            self.report(change)
            return
        if problem is not None:
            self.failed += 1
            self.report(change._replace(outcome=FAILED, detail=problem))
            return
        self.report(change._replace(outcome=DONE))
