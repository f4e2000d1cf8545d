"""Services: gather, decide, apply. Only they commit. One file a noun."""
