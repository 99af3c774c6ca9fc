"""One module for each kind of file: bytes in, rows of text out, limits kept on the way.

In: a path (untrusted). Out: a table of strings with notes on what was guessed.
May import: core, data.limits. Nothing is executed, and every size is bounded.
"""
