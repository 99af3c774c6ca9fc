"""What a promise of differential privacy means, and how much noise keeps it.

`mechanisms` reads `--privacy` into a budget, `accounting` turns releases into epsilon (and back) by
three accountants, `discrete_noise` draws whole-number noise for sums under masks.
In: a spec and counts of releases. Out: noise multipliers and epsilons. May import: core.
"""
