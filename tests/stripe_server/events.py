"""The events that tell of what happened: kept for 30 days, rendered when it happened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server.engine import ALWAYS, Engine, serves
from tests.stripe_server.errors import invalid, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stripe_server.state import Object

KEPT_SECONDS: Final = 30 * 86_400
_MAX_TYPES: Final = 20


@serves("GET", "/v1/events")
def list_events(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    types = params.get("types") or ([params["type"]] if "type" in params else [])
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.")
    if len(types) > _MAX_TYPES:
        raise invalid(f"You may only specify up to {_MAX_TYPES} event types.", param="types")
    table = engine.state["events"]
    for name in ("starting_after", "ending_before"):
        if name in params and params[name] not in table.place:
            raise missing("event", params[name], param=name)
    filters = {"type": types[0]} if len(types) == 1 else {}
    oldest = engine.now() - KEPT_SECONDS

    def chosen() -> Iterator[Object]:
        for event in table.newest_first(
            filters,
            before=params.get("starting_after"),
            after=params.get("ending_before"),
        ):
            if event["livemode"] != engine.livemode:
                continue
            if event["created"] >= oldest and (not types or event["type"] in types):
                yield event

    return engine.paged("/v1/events", params, chosen())


@serves("GET", "/v1/events/{id}")
def retrieve_event(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    event = engine.get("events", ids[0])
    if event["created"] < engine.now() - KEPT_SECONDS:
        raise missing("event", ids[0])
    return event


def _data(_engine: Engine, event: Object) -> dict[str, Any]:
    return {"data": json.loads(event["data"])}


ALWAYS["event"] = _data
