"""Readers, one module for each kind of file: from bytes to rows of cells, within size limits.

In: a path (untrusted). Out: a table of cells, with notes on what was guessed.
May import: core, data.limits, data.columns. Nothing is executed, and every size is bounded.
"""
