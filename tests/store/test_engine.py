"""What drivers say, as an operator understands it."""

from __future__ import annotations

import pytest

from billing_cli.errors import InvalidDataError
from billing_cli.store.engine import open_engine
from billing_cli.store.unit_of_work import UnitOfWork

TOO_MUCH = f"SELECT {2**63 - 1} AS quantity UNION ALL SELECT 1"


def test_sums_that_no_database_can_hold_come_of_absurd_sizes(database_url: str) -> None:
    with (
        UnitOfWork(open_engine(database_url)) as uow,
        pytest.raises(InvalidDataError) as caught,
        uow.reading() as tx,
    ):
        tx.value(f"SELECT CAST(SUM(quantity) AS BIGINT) FROM ({TOO_MUCH}) records")
    assert caught.value.message == (
        "the sums of what was used are larger than a database can add up"
    )
    assert "billing usage --by session" in str(caught.value.hint)
