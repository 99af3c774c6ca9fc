"""Differential privacy: mechanisms, accounting and discrete noise.

`mechanisms` turns `--privacy` into a budget, `accounting` turns releases into epsilon (and back) by
three accountants, `discrete_noise` draws whole-number noise for sums under masks.
May import: core.
"""
