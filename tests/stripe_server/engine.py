"""Stripe's memory and manners: objects, ids, lists, expansion and events.

The modules beside it add what each kind of object does, with `serves`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server import shapes, wheel
from tests.stripe_server.errors import invalid, missing
from tests.stripe_server.state import Object, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIXES: Final = {
    "cus": "customers",
    "pm": "payment_methods",
    "prod": "products",
    "price": "prices",
    "in": "invoices",
    "ii": "invoiceitems",
    "inpay": "invoice_payments",
    "payrec": "payment_records",
    "pi": "payment_intents",
    "ch": "charges",
    "re": "refunds",
    "cn": "credit_notes",
    "du": "disputes",
    "sub": "subscriptions",
    "cs": "checkout_sessions",
    "bps": "portal_sessions",
    "seti": "setup_intents",
    "evt": "events",
}
_TABLES: Final = {table: prefix for prefix, table in PREFIXES.items()}
# What Stripe calls one of them when it has none of that name.
_NOUNS: Final = {
    "payment_methods": "PaymentMethod",
    "checkout_sessions": "checkout.session",
    "invoiceitems": "invoice item",
    "invoice_payments": "invoice payment",
}
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Primes: ids look random, differ between accounts, never repeat, and are the same in every run.
_STEP: Final = 479_001_599_987
_RANGE: Final = 62**8
_PAGE: Final = 10
_MAX_PAGE: Final = 100


# Does what a request asks for, and gives the object that is the answer. It takes the engine, the
# parameters, and the variable parts of the path.
Handler = Callable[..., Object]

HANDLERS: Final[dict[tuple[str, str], Handler]] = {}
# By kind of object: what is added to it wherever it is shown, and what only when expanded.
ALWAYS: Final[dict[str, Callable[[Engine, Object], dict[str, Any]]]] = {}
EXPANDABLE: Final[dict[tuple[str, str], Callable[[Engine, Object], Any]]] = {}


def serves(method: str, template: str) -> Callable[[Handler], Handler]:
    """Register a handler for an operation, by its method and the wheel's template of its path."""

    def register(handler: Handler) -> Handler:
        HANDLERS[method, template] = handler
        return handler

    return register


def retrieves(template: str, table: str) -> None:
    """Serve the objects of a table by their ids."""

    def retrieve(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
        deleted = engine.state[table].deleted.get(ids[-1])
        return deleted or engine.get(table, ids[-1])

    HANDLERS["GET", template] = retrieve


def lists(template: str, table: str, *filters: str) -> None:
    """Serve a table as a list, by the parameters that say what an object of it must say."""

    def page(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
        return engine.page(template, table, params, chosen(params, *filters))

    HANDLERS["GET", template] = page


class Engine:
    """The account that the server keeps."""

    def __init__(self, account: str, *, now: int | None = None) -> None:
        self.account = account
        self.state = State()
        self.now_at = now
        self.livemode = False
        self.keep_events = True
        self.check_shapes = True
        self.collects_at_once = True
        self.default_currency = "usd"
        # Less than this is not charged, but kept on the customer's balance. 0: all is charged.
        self.minimum_charge = 0
        # The request that is being answered, for its events; none for what happens by itself.
        self.request: dict[str, str | None] = {"id": None, "idempotency_key": None}
        self._salt = sum(ord(letter) * 31**at for at, letter in enumerate(account))

    def now(self) -> int:
        """The time by the server's clock, in seconds."""
        if self.now_at is not None:
            return self.now_at
        # Not the program's clock, which `--at` stops: Stripe has its own.
        return time.time_ns() // 10**9

    def new_id(self, prefix: str) -> str:
        self.state.made += 1
        number = (self.state.made * _STEP + self._salt) % _RANGE
        letters = []
        for _ in range(8):
            number, digit = divmod(number, 62)
            letters.append(_ALPHABET[digit])
        return f"{prefix}_{self.account[-6:]}{''.join(letters)}"

    def add(self, table: str, fields: Object) -> Object:
        """Add a new object, with an id, and what all objects say."""
        fields.setdefault("id", self.new_id(_TABLES[table]))
        if table != "invoiceitems":  # Theirs is the `date`.
            fields.setdefault("created", self.now())
        if table != "refunds":
            fields.setdefault("livemode", self.livemode)
        return self.state[table].add(fields)

    def get(self, table: str, key: str, *, param: str = "id") -> Object:
        """An object, or the error that there is none (400 where a parameter names it)."""
        row = self.state[table].rows.get(key)
        if row is None or row.get("livemode", self.livemode) != self.livemode:
            raise missing(_NOUNS.get(table, table.removesuffix("s")), key, param=param)
        return row

    def find(self, key: str) -> Object | None:
        """An object of any kind, by its id."""
        table = PREFIXES.get(key.partition("_")[0], "")
        if table:
            rows = self.state[table]
            return rows.rows.get(key) or rows.deleted.get(key)
        return self.state["prices"].rows.get(key) or self.state["products"].rows.get(key)

    # What is shown -----------------------------------------------------------------------------

    def render(self, row: Object, expand: Iterable[str] = ()) -> Object:
        """An object as Stripe shows it, with what was asked to be expanded."""
        tree: dict[str, Any] = {}
        for path in expand:
            place = tree
            for part in path.split("."):
                place = place.setdefault(part, {})
        return self._shown(row, tree, "")

    def _shown(self, row: Object, tree: dict[str, Any], path: str) -> Object:
        shown = dict(row)
        if (kind := row.get("object")) in ALWAYS and not row.get("deleted"):
            shown.update(ALWAYS[kind](self, row))
        for name, inner in tree.items():
            here = f"{path}.{name}" if path else name
            if (kind, name) in EXPANDABLE:
                shown[name] = EXPANDABLE[str(kind), name](self, row)
            elif name not in shown:
                raise invalid(f"This property cannot be expanded ({here}).", param="expand")
            shown[name] = self._expanded(shown[name], inner, here)
        if kind == "list" and "data" not in tree:
            shown["data"] = [self._expanded(each, {}, path) for each in row["data"]]
        return shown

    def _expanded(self, value: Any, tree: dict[str, Any], path: str) -> Any:
        if isinstance(value, str):
            found = self.find(value)
            return self._shown(found, tree, path) if found else value
        if isinstance(value, list):
            return [self._expanded(each, tree, path) for each in value]
        if isinstance(value, dict):
            return self._shown(value, tree, path)
        return value

    def page(self, url: str, table: str, params: dict[str, Any], filters: dict[str, Any]) -> Object:
        """A page of a table, newest first."""
        return self.paged(url, params, self.newest(table, params, filters))

    def newest(
        self, table: str, params: dict[str, Any], filters: dict[str, Any]
    ) -> Iterator[Object]:
        """The objects from which a page is to be made, from its cursor on."""
        for row in self.state[table].newest_first(
            filters,
            before=self._cursor(table, params, "starting_after"),
            after=self._cursor(table, params, "ending_before"),
        ):
            if row.get("livemode", self.livemode) == self.livemode:
                yield row

    def _cursor(self, table: str, params: dict[str, Any], name: str) -> str | None:
        key = params.get(name)
        if key is not None and key not in self.state[table].place:
            raise missing(_NOUNS.get(table, table.removesuffix("s")), key, param=name)
        return key

    def paged(self, url: str, params: dict[str, Any], rows: Iterable[Object]) -> Object:
        """A page of objects that begin at the cursor, as `Table.newest_first` gives them."""
        limit = params.get("limit", _PAGE)
        if not 1 <= limit <= _MAX_PAGE:
            raise invalid(
                f"This value must be between 1 and {_MAX_PAGE}",
                param="limit",
                code="parameter_invalid_integer",
            )
        created = params.get("created")
        data: list[Object] = []
        has_more = False
        for row in rows:
            if created is not None and not _within(row.get("created") or row["date"], created):
                continue
            if len(data) == limit:
                has_more = True
                break
            data.append(row)
        if "ending_before" in params:
            data.reverse()
        return {"object": "list", "data": data, "has_more": has_more, "url": url}

    # What happens ------------------------------------------------------------------------------

    def emit(self, kind: str, row: Object, previous: dict[str, Any] | None = None) -> None:
        """Tell that something happened to an object; `previous` is what it said before."""
        if not self.keep_events:
            return
        shown = self.render(row)
        if self.check_shapes:
            shapes.check(shown)
        data: dict[str, Any] = {"object": shown}
        if previous is not None:
            data["previous_attributes"] = previous
        self.add(
            "events",
            {
                "object": "event",
                "account": None,
                "api_version": wheel.api_version(),
                "context": None,
                # As text, since the objects go on changing and events do not.
                "data": json.dumps(data),
                "livemode": row.get("livemode", self.livemode),
                "pending_webhooks": 1,
                "request": dict(self.request),
                "type": kind,
            },
        )

    def change(self, row: Object, **fields: Any) -> dict[str, Any]:
        """Change an object, and give what it said before where it said something else."""
        previous = {name: row.get(name) for name, value in fields.items() if row.get(name) != value}
        row.update(fields)
        return previous


def _within(value: int, wanted: Any) -> bool:
    if isinstance(wanted, int):
        return value == wanted
    return bool(
        value >= wanted.get("gte", value)
        and value <= wanted.get("lte", value)
        and value > wanted.get("gt", value - 1)
        and value < wanted.get("lt", value + 1)
    )


def chosen(params: dict[str, Any], *names: str) -> dict[str, Any]:
    """The parameters of these names that are given."""
    return {name: params[name] for name in names if name in params}


def merge_metadata(row: Object, params: dict[str, Any]) -> dict[str, str]:
    """The metadata of an object with what a request changes of it: an empty value unsets."""
    if "metadata" not in params:
        return dict(row.get("metadata") or {})
    if params["metadata"] == "":
        return {}
    merged = {**(row.get("metadata") or {}), **params["metadata"]}
    return {key: value for key, value in merged.items() if value != ""}


def unset(value: Any) -> Any:
    """The value of a parameter, of which an empty string means none."""
    return None if value == "" else value
