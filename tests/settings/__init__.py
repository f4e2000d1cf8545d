"""Tests of the settings, a file for each module of them."""
