"""The part of the config file that documents are made of: who sends them, and how they look."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from billing_cli.settings.part import CamelPart, Part
from billing_cli.settings.values import Block, FilePath, Language, Name

Paper = Literal["a4", "letter"]


class Company(CamelPart):
    """Who sends the invoices: what documents say of it, and how it is paid."""

    name: Name | None = Field(
        default=None, description="The seller's name.", examples=["Example Cloud Ltd"]
    )
    address: Block | None = Field(
        default=None,
        description="The seller's address, its lines separated by \\n.",
        examples=["12 Harbour Street\nBristol BS1 4QA\nUnited Kingdom"],
    )
    email: Name | None = Field(
        default=None, description="Whom customers write to.", examples=["billing@example.com"]
    )
    phone: Name | None = Field(
        default=None, description="Whom customers call.", examples=["+44 117 496 0000"]
    )
    website: Name | None = Field(
        default=None, description="The seller's website.", examples=["https://example.com"]
    )
    tax_number: Name | None = Field(
        default=None, description="The seller's tax number.", examples=["GB 123 4567 89"]
    )
    logo: FilePath | None = Field(
        default=None,
        description="A picture for the letterhead: SVG, PNG, JPEG, GIF or WebP.",
        examples=["logo.svg"],
    )
    payment_instructions: Block | None = Field(
        default=None,
        description="How to pay, such as a bank account; its lines separated by \\n.",
        examples=["IBAN GB33 BUKB 2020 1555 5555 55\nBIC BUKBGB22"],
    )
    footer: Block | None = Field(
        default=None,
        description="What stands at the foot of every page; its lines separated by \\n.",
        examples=["Registered in England No. 01234567"],
    )


class Documents(Part):
    """What documents look like."""

    language: Language = Field(
        default="en",
        description="The language of documents for users who have none of their own.",
        examples=["de"],
    )
    paper: Paper = Field(default="a4", description="The size of the paper.", examples=["letter"])
    template: FilePath | None = Field(
        default=None,
        description="A Typst file to take the place of the built-in template.",
        examples=["invoice.typ"],
    )
