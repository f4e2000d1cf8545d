"""What sinks need and must not have, by their kind, and what they must not share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.notices import RESUMED, SUSPENDED, types_of_all
from billing_cli.settings.values import web_address_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COMMON: Final = {"name", "kind", "events", "timeoutSeconds"}
_MAIL: Final = {"host", "port", "tls", "username", "from", "fromName", "replyTo", "to"}
# Of each kind, the keys it must have, and the others it may have.
_KEYS: Final[dict[str, tuple[set[str], set[str]]]] = {
    "email": ({"host", "from"}, {*_MAIL, "fallbackTo", "secretFile", "caFile"}),
    "webhook": ({"url"}, {"secretFile", "caFile"}),
    "command": ({"command"}, set()),
    "apprise": (set(), {"secretFile"}),
    "streamspace": ({"url"}, {"secretFile", "caFile", "wake"}),
}
_ALL_KEYS: Final = _COMMON.union(*(needed | other for needed, other in _KEYS.values()))
_ACTIONS: Final = {SUSPENDED, RESUMED}


def variable_of(name: str) -> str:
    """Return the environment variable that can hold the secret of a sink."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"BILLING_SINK_{plain.upper()}_SECRET"


def sink_problems(
    sinks: Iterable[tuple[int, dict[str, object]]],
) -> Iterator[tuple[str, str]]:
    """Yield the key (``sinks[0].host``) and what is wrong, for what no key can tell by itself."""
    seen: dict[str, str] = {}
    for index, sink in sinks:
        place, name, kind = f"sinks[{index}]", sink.get("name"), sink.get("kind")
        if isinstance(name, str):
            other = seen.get(variable_of(name))
            seen[variable_of(name)] = name
            if other == name:
                yield f"{place}.name", f"repeats {quoted(name)}"
            elif other is not None:
                yield (
                    f"{place}.name",
                    f"and {quoted(other)} have one variable for their secrets, {variable_of(name)}",
                )
        if isinstance(kind, str) and kind in _KEYS:
            yield from ((f"{place}.{key}", text) for key, text in _of_kind(sink, kind))


def _of_kind(sink: dict[str, object], kind: str) -> Iterator[tuple[str, str]]:
    needed, other = _KEYS[kind]
    given = {key for key, value in sink.items() if value is not None}
    for key in sorted(needed - given):
        yield key, f'is missing: a sink of the kind "{kind}" needs it'
    for key in sorted(given & _ALL_KEYS - needed - other - _COMMON):
        yield key, f'is not for sinks of the kind "{kind}"'
    if kind == "email" and sink.get("tls") == "none":
        for key in sorted({"username", "secretFile"} & given):
            yield key, 'needs a connection that is encrypted: tls must not be "none"'
    if kind == "streamspace":
        yield from _of_streamspace(sink)


def _of_streamspace(sink: dict[str, object]) -> Iterator[tuple[str, str]]:
    if _other_types(sink.get("events")):
        yield "events", f"may only be {' and '.join(sorted(_ACTIONS))} for this kind"
    url = sink.get("url")
    # Its token would be sent there unencrypted. What is no URL at all is refused as such.
    if isinstance(url, str) and url.lower().startswith("http://"):
        problem = web_address_problem(url)
        if problem:
            yield "url", problem


def _other_types(events: object) -> bool:
    """Tell whether patterns name anything else than what StreamSpace can do."""
    if not isinstance(events, list):
        return False
    named = types_of_all(pattern for pattern in events if isinstance(pattern, str))
    return not _ACTIONS.issuperset(named)
