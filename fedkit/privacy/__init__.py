"""Differential privacy: mechanisms, accounting and discrete noise.

`mechanisms` turns `--privacy` into a budget, `accounting` turns releases into epsilon (and back) by
three accountants, and `noise` is where all private randomness comes from.
May import: core.
"""
