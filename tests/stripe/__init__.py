"""Tests of what speaks to Stripe, each with the stand-in of :mod:`tests.stripe_server`."""
