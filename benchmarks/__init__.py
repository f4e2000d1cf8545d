"""How fast `billing` is, beside the least work that the same machine could do.

Run by `python -m benchmarks`, or `make bench`. What is measured and why is in
docs/performance.md; the figures there are written by this package.
"""
