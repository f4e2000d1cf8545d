"""Examples; a package, so that the tests can import what they test."""
