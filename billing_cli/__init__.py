"""Billing for compute sessions: from session events to usage records to invoices."""

__version__ = "0.1.0"
