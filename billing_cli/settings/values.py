"""The kinds of value a config file may hold, each read strictly and refused in plain English."""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final, NoReturn
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.money import exponent
from billing_cli.pricing.profiles import hides, read_field
from billing_cli.settings.database_url import normalise_database_url

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DECIMALS = 12
_LONGEST_NAME = 200
_LONGEST_BLOCK = 2_000
_HTTP_URL = re.compile(r"https?://[A-Za-z0-9\[][!-z|~]{0,1000}", re.ASCII)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LINK_PLACEHOLDERS: Final = ("invoice_number", "invoice_id", "user_id", "amount", "currency")
"""What a payment link may hold in braces."""
_PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,20}", re.ASCII)
# Elsewhere than on this machine only with encryption: a secret goes there.
_WEB_ADDRESS = re.compile(r"https://[^\s/?#@]+(/[^\s]*)?", re.ASCII)
_LOCAL_ADDRESS = re.compile(
    r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/[^\s]*)?", re.ASCII
)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)

# Zones that differ from machine to machine, are placeholders, or count leap seconds.
_UNFIT_ZONE = re.compile(r"(right|posix)/|(localtime|posixrules|Factory|leapseconds)$")


def refuse(reason: str) -> NoReturn:
    """Reject the value being validated; ``reason`` completes the sentence "KEY ..."."""
    # The reason goes in as context: pydantic would take braces in it for a template.
    raise PydanticCustomError("plain", "{reason}", {"reason": reason})


def canonical_decimal(value: Decimal) -> str:
    """Return the one plain spelling of a decimal: no exponent, no trailing zeros, no ``-0``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _decimal(smallest: int, largest: int, what: str) -> Callable[[object], Decimal]:
    """Make the reader of an exact decimal of at most 12 decimals between two bounds."""

    def read(value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
            refuse(f'must be {what}: a number, or one in quotes such as "0.05"')
        if isinstance(value, str) and not _PLAIN_DECIMAL.fullmatch(value):
            refuse(f'must be {what}, written like "0.05", not {quoted(value)}')
        number = Decimal(value)
        if not number.is_finite():
            refuse(f"must be {what}, not {value}")
        # Bounds first: they keep a number like 1e999999 from being spelled out below.
        if number < smallest:
            refuse(f"must be at least {smallest:,}")
        if number > largest:
            refuse(f"must be at most {largest:,}")
        if _decimals(number) > MAX_DECIMALS:
            refuse(f"may have at most {MAX_DECIMALS} decimals")
        return Decimal(0) if number.is_zero() else number

    return read


def _decimals(number: Decimal) -> int:
    """Count the decimals that matter: 0.500 has one."""
    _, digits, power = number.as_tuple()
    if not isinstance(power, int) or number.is_zero():
        return 0
    written = "".join(map(str, digits))
    return max(0, -power - (len(written) - len(written.rstrip("0"))))


def _decimal_schema(smallest: int, largest: int) -> WithJsonSchema:
    number = {"type": "number", "minimum": smallest, "maximum": largest}
    text = {"type": "string", "pattern": r"^[0-9]{1,40}(\.[0-9]{1,40})?$"}
    return WithJsonSchema({"anyOf": [number, text]})


def _text_schema(pattern: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern.pattern}$"})


def _check_identifier(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        refuse(
            "must be 1 to 64 letters, digits, dots, dashes or underscores,"
            f" the first a letter or digit, not {quoted(text)}"
        )
    return text


def _check_name(text: str) -> str:
    if not text.strip():
        refuse("must not be blank")
    if len(text) > _LONGEST_NAME:
        refuse(f"must have at most {_LONGEST_NAME} characters")
    if hides(text):
        refuse(f"must not hold control characters: {quoted(text)}")
    return text


def _check_prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        refuse(f"must be 1 to 20 letters, digits, dots, dashes or underscores, not {quoted(text)}")
    return text


def is_web_address(text: str) -> bool:
    """Tell whether a text is an address to lead somebody to: https, or http of this machine."""
    return bool(_WEB_ADDRESS.fullmatch(text) or _LOCAL_ADDRESS.fullmatch(text))


def web_address_problem(text: str) -> str | None:
    """Say what keeps a text from being such an address; ``None`` when it is one."""
    if is_web_address(text):
        return None
    return (
        "must be an address that begins with https://, or with http:// on this machine itself,"
        f" not {quoted(text)}"
    )


def _check_web_address(text: str) -> str:
    problem = web_address_problem(text)
    if problem:
        refuse(problem)
    return text


def _check_currency(text: str) -> str:
    reason = f"must be a currency code of ISO 4217 such as USD, not {quoted(text)}"
    if not _CURRENCY.fullmatch(text):
        if _CURRENCY.fullmatch(text.upper()):
            refuse(f"{reason} (codes are in capitals)")
        refuse(reason)
    try:
        exponent(text)
    except ValueError:
        refuse(reason)
    return text


def _check_timezone(text: str) -> str:
    # Every way in which the lookup fails: unknown, malformed, a folder, too long a name.
    try:
        known = not _UNFIT_ZONE.match(text) and ZoneInfo(text) is not None
    except (ValueError, OSError, KeyError):
        known = False
    if not known:
        refuse(f"must be an IANA time zone such as Europe/London, not {quoted(text)}{_alike(text)}")
    return text


def _alike(text: str) -> str:
    # Listing every zone reads the whole database of zones: not before it has to be.
    zones = {zone.lower(): zone for zone in sorted(available_timezones())}
    near = get_close_matches(text[:64].lower().replace(" ", "_"), zones, n=1, cutoff=0.75)
    return f" (did you mean {zones[near[0]]}?)" if near else ""


def _check_secret(secret: SecretStr) -> SecretStr:
    problem = secret_problem(secret.get_secret_value())
    if problem:
        refuse(problem)
    return secret


def secret_problem(text: str) -> str | None:
    """Say what is wrong with a secret without repeating any of it; ``None`` when it is fine."""
    if not text:
        return "must not be empty"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "must not hold spaces, control characters or characters outside ASCII"
    return None


def _check_path(text: str) -> str:
    if not text.strip() or "\0" in text:
        refuse("must be the path of a file")
    return text


def _check_block(text: str) -> str:
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    _check_name(" ".join(lines)[:_LONGEST_NAME])
    if len(text) > _LONGEST_BLOCK:
        refuse(f"must have at most {_LONGEST_BLOCK:,} characters")
    if any(hides(line) for line in lines):
        refuse(f"must not hold control characters: {quoted(text)}")
    return "\n".join(lines).strip("\n")


def _check_language(text: str) -> str:
    try:
        return read_field("language", text) or refuse("must be a language such as en or pt-BR")
    except ValueError as error:
        refuse(f"must be a language: {error}")


def _check_payment_link(text: str) -> str:
    if not _HTTP_URL.fullmatch(_PLACEHOLDER.sub("x", text)):
        refuse(f"must be an http:// or https:// address, not {quoted(text)}")
    unknown = sorted(set(_PLACEHOLDER.findall(text)) - set(LINK_PLACEHOLDERS))
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in LINK_PLACEHOLDERS)
        refuse(f"must not hold {{{unknown[0]}}}: there are {known}")
    return text


def _check_database_url(text: str) -> str:
    try:
        return normalise_database_url(text)
    except ValueError as error:
        refuse(str(error))


# Together with MAX_CORES the largest rate keeps a month's line far inside 64 bits.
MAX_RATE = 1_000_000
MAX_PRICE = 1_000_000_000
MAX_CORES = 1_000_000
MAX_GB = 1024 * 1024  # One PiB.
MAX_PERCENT = 100

Rate = Annotated[
    Decimal, BeforeValidator(_decimal(0, MAX_RATE, "an amount")), _decimal_schema(0, MAX_RATE)
]
Price = Annotated[
    Decimal, BeforeValidator(_decimal(0, MAX_PRICE, "an amount")), _decimal_schema(0, MAX_PRICE)
]
Cores = Annotated[
    Decimal,
    BeforeValidator(_decimal(0, MAX_CORES, "a number of cores")),
    _decimal_schema(0, MAX_CORES),
]
Gigabytes = Annotated[
    Decimal, BeforeValidator(_decimal(0, MAX_GB, "a number of GB")), _decimal_schema(0, MAX_GB)
]
Percent = Annotated[
    Decimal,
    BeforeValidator(_decimal(0, MAX_PERCENT, "a percentage")),
    _decimal_schema(0, MAX_PERCENT),
]
Identifier = Annotated[
    str, Field(strict=True), AfterValidator(_check_identifier), _text_schema(_IDENTIFIER)
]
Name = Annotated[str, Field(strict=True), AfterValidator(_check_name)]
Prefix = Annotated[str, Field(strict=True), AfterValidator(_check_prefix), _text_schema(_PREFIX)]
Currency = Annotated[
    str, Field(strict=True), AfterValidator(_check_currency), _text_schema(_CURRENCY)
]
Timezone = Annotated[str, Field(strict=True), AfterValidator(_check_timezone)]
Block = Annotated[str, Field(strict=True), AfterValidator(_check_block)]
Language = Annotated[str, Field(strict=True), AfterValidator(_check_language)]
PaymentLink = Annotated[str, Field(strict=True), AfterValidator(_check_payment_link)]
FilePath = Annotated[str, Field(strict=True), AfterValidator(_check_path)]
Secret = Annotated[SecretStr, Field(strict=True), AfterValidator(_check_secret)]
WebAddress = Annotated[str, Field(strict=True), AfterValidator(_check_web_address)]
DatabaseUrl = Annotated[str, Field(strict=True), AfterValidator(_check_database_url)]
