"""Typesetting with Typst: a template and data become a PDF.

The compiler sees a folder of its own that holds the template and the logo, and nothing else of
the machine but fonts. Data come to it as one JSON text, never as source. What is made follows
from template, data and fonts alone: the same bytes each time.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import (
    BillingError,
    ConflictError,
    InvalidDataError,
    NotConfiguredError,
    UnavailableError,
)
from billing_cli.gateway.languages import not_installed
from billing_cli.gateway.whole_files import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import typst
    from typst import PDFStandards

BUILT_IN: Final = "the built-in template"
LOGO_KINDS: Final = (".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp")

_MOST_BYTES: Final = 10 * 2**20
_TEMPLATE: Final = "document.typ"
_PROBE: Final = "probe.typ"
_PROBE_SOURCE: Final = """\
#let probe = json(bytes(sys.inputs.document))
#set text(font: probe.fonts)
#probe.text
"""
# For archives and screen readers; a template that is not made for them gets what it allows.
_STANDARDS: Final[tuple[PDFStandards, ...]] = (["a-2a", "ua-1"], ["a-2b"], [])
_MISSING: Final = re.compile(r"the text `\"((?:[^\"\\]|\\.)*)\"` could not be displayed")
_ESCAPE: Final = re.compile(r"\\(?:u\{([0-9a-f]{1,6})\}|(.))")
_PACKAGE: Final = re.compile(rb"\"@[a-z]+/")
_AT: Final = re.compile(re.escape(_TEMPLATE) + r":([0-9]+):[0-9]+")

# The packages of the extras `pdf` and `pdf-cjk`, and the folders in them that hold fonts.
_FONT_PACKAGES: Final = {
    "fontpkg_source_sans_3": "files",
    "fontpkg_assistant": "files",
    "fontpkg_noto_sans_arabic": "files",
    "fontpkg_noto_sans_devanagari": "files",
    "justmytype_intl_cjk": "fonts",
}
_FAMILIES: Final = (
    "Source Sans 3",
    "Assistant",
    "Noto Sans Hebrew",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
)
_EAST_ASIAN: Final = {
    "jpan": ("Noto Sans JP", "Noto Sans CJK JP"),
    "kore": ("Noto Sans KR", "Noto Sans CJK KR"),
    "hans": ("Noto Sans SC", "Noto Sans CJK SC"),
    "hant": ("Noto Sans TC", "Noto Sans CJK TC"),
}
_LAST_RESORT: Final = (
    "Noto Sans",
    "DejaVu Sans",
    "Libertinus Serif",
    "Noto Color Emoji",
)


class Picture(NamedTuple):
    """A picture for the letterhead: the name it gets beside the template, and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Typeset:
    """A PDF, and the characters in it that no font could show."""

    pdf: bytes
    missing: tuple[str, ...] = ()


class Typesetter:
    """A compiler with its fonts, to be kept for many documents: the first costs most."""

    def __init__(self, template: bytes, name: str, logo: Picture | None) -> None:
        """Lay the folder out; ``name`` is what errors call the template.

        Raises :class:`NotInstalledError` where Typst is not installed.
        """
        try:
            import typst
        except ImportError as error:
            raise not_installed("typst") from error
        self._name = name
        root = Path(tempfile.mkdtemp(prefix="billing-pdf-"))
        # Gone when the typesetter is, or the program.
        weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        (root / _TEMPLATE).write_bytes(template)
        (root / _PROBE).write_text(_PROBE_SOURCE, encoding="utf-8")
        if logo is not None:
            (root / logo.name).write_bytes(logo.content)
        found = fonts()
        self._families = frozenset(found.families())
        self._compiler, self._probe = (
            typst.Compiler(
                root / source,
                root=root,
                font_paths=found,
                # No packages: neither those of this user nor any from the network.
                package_path=root / "packages",
                package_cache_path=root / "packages",
            )
            for source in (_TEMPLATE, _PROBE)
        )
        self._standards = _STANDARDS

    def families(self, script: str | None) -> tuple[str, ...]:
        """Return the font families for a language of a script, those that are there, in order."""
        first = _EAST_ASIAN.get(script or "", ())
        others = [family for names in _EAST_ASIAN.values() for family in names]
        wanted = dict.fromkeys([*_FAMILIES, *first, *others, *_LAST_RESORT])
        return tuple(family for family in wanted if family in self._families)

    def missing(self, text: str, families: Sequence[str]) -> tuple[str, ...]:
        """Return the characters of a text that no font can show."""
        import typst

        data = json.dumps({"text": text, "fonts": list(families)})
        try:
            self._probe.compile(
                format="pdf", sys_inputs={"document": data}, pdf_standards="a-2b", timestamp=0
            )
        except typst.TypstError as error:
            return _characters(error.diagnostic)
        return ()

    def typeset(self, data: Mapping[str, object], created: int) -> Typeset:
        """Return the PDF of a document's data; ``created`` is its moment, in epoch seconds.

        It is PDF/A-2a and PDF/UA-1 unless the template or a character without a glyph forbids.
        Raises :class:`InvalidDataError` where the template cannot take the data.
        """
        import typst

        text = json.dumps(data, ensure_ascii=False)
        missing: tuple[str, ...] = ()
        for standards in self._standards:
            try:
                pdf = self._compiler.compile(
                    format="pdf",
                    sys_inputs={"document": text},
                    pdf_standards=standards,
                    timestamp=created,
                )
            except typst.TypstError as error:
                if not standards or not error.message.startswith("PDF/"):
                    raise self._mistaken(error) from error
                missing = missing or _characters(error.diagnostic)
                if not missing:
                    # The template's own doing: the next document need not try again.
                    self._standards = self._standards[1:]
            else:
                if not isinstance(pdf, bytes):
                    raise TypeError(pdf)
                return Typeset(pdf, missing)
        raise AssertionError(self._standards)

    def _mistaken(self, error: Exception) -> BillingError:
        found = _AT.search(getattr(error, "diagnostic", ""))
        line = f", line {found[1]}" if found else ""
        message = getattr(error, "message", str(error)).partition(" (searched at")[0]
        return InvalidDataError(
            f"{self._name}{line}: {message}",
            "docs/pdf-template.md says what a template gets, and can do",
        )


def _characters(diagnostic: str) -> tuple[str, ...]:
    """Return the characters that Typst says no font has, each once, in order."""
    found = (_ESCAPE.sub(_unescaped, text) for text in _MISSING.findall(diagnostic))
    return tuple(dict.fromkeys(found))


def _unescaped(found: re.Match[str]) -> str:
    """Return what an escape of Rust's stands for."""
    return chr(int(found[1], 16)) if found[1] else found[2]


@lru_cache(maxsize=1)
def fonts() -> typst.Fonts:
    """Return the fonts there are: of the extras, of the system, and Typst's own."""
    import typst

    folders = []
    for package, folder in _FONT_PACKAGES.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folders.append(Path(spec.origin).parent / folder)
    return typst.Fonts(font_paths=folders)


@lru_cache(maxsize=4)
def typesetter(template: Path | None, logo: Picture | None) -> Typesetter:
    """Return a typesetter for a template's file (None: the built-in one) and a logo.

    Raises :class:`NotConfiguredError` for a template that cannot be read.
    """
    if template is None:
        content = files("billing_cli").joinpath("documents", "invoice.typ").read_bytes()
        return Typesetter(content, BUILT_IN, logo)
    name = f"the template {template}"
    content = read_file(template, "the template")
    if _PACKAGE.search(content):
        raise InvalidDataError(
            f"{name} imports a package", "packages cannot be used: put what it needs into the file"
        )
    return Typesetter(content, name, logo)


def read_logo(path: Path) -> Picture:
    """Return the picture for the letterhead; :class:`NotConfiguredError` says why it is none."""
    kind = path.suffix.lower()
    if kind not in LOGO_KINDS:
        raise NotConfiguredError(
            f"the logo {path} is not a picture that can be used",
            f"name a file that ends in {', '.join(LOGO_KINDS)} as company.logo",
        )
    return Picture(f"logo{kind}", read_file(path, "the logo"))


def read_file(path: Path, what: str) -> bytes:
    """Return the content of a file; :class:`NotConfiguredError` calls it ``what`` if it cannot."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise NotConfiguredError(
            f"{what} {path} cannot be read: {reason}", "name a file that is there and can be read"
        ) from error
    if len(content) > _MOST_BYTES:
        raise NotConfiguredError(f"{what} {path} is larger than 10 MiB", "name a smaller file")
    return content


def qr_code(text: str) -> str | None:
    """Return the QR code of a text as an SVG picture; None where it is too long for one."""
    try:
        import segno
    except ImportError as error:
        raise not_installed("segno") from error
    try:
        code = segno.make(text, error="m", micro=False)
    except segno.DataOverflowError:
        return None
    picture = io.BytesIO()
    # A margin and a light ground of its own: cameras need both.
    code.save(picture, kind="svg", border=3, dark="#1d2733", light="#ffffff", xmldecl=False)
    return picture.getvalue().decode("utf-8")


def write_pdf(path: Path, content: bytes) -> None:
    """Write a PDF under a temporary name and move it into its place.

    Raises :class:`ConflictError` where something else than a PDF is there already, and
    :class:`UnavailableError` where it cannot be written.
    """
    refuse_other(path)
    hint = "make room or choose another place with --out, and run the command again"
    with replacing(path, hint) as file:
        file.write(content)


def refuse_other(path: Path) -> None:
    """Raise :class:`ConflictError` where a path is taken by something else than a PDF."""
    if not os.path.lexists(path):
        return
    try:
        if path.is_file():
            with path.open("rb") as file:
                if file.read(5) in {b"%PDF-", b""}:
                    return
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror or error}",
            "choose another place with --out",
        ) from error
    raise ConflictError(
        f"{path} is there already and is not a PDF", "name another file or folder with --out"
    )
