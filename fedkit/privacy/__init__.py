"""Differential privacy: mechanisms, accounting and discrete noise.

`mechanisms` turns `--privacy` into a budget, `accounting` turns releases into epsilon (and back) by
three accountants, `noise` is where all private randomness comes from, and `discrete_noise` makes
noise of it.
May import: core.
"""
