"""How updates become one: the mean of LoRA pairs, weights, rules against harm.

In: updates of one round. Out: one change of the shared parameters.
May import: core, models. Never the network or the wire.
"""
