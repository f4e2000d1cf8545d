"""Lets ``python -m billing_cli`` do what ``billing`` does."""

from billing_cli.main import main

main()
