"""How updates are combined: the mean of LoRA pairs, weights, robust rules.

In: updates of one round. Out: one change of the shared parameters. Papers: at each rule.
May import: core, models, federated.local, federated.interfaces. Never the network or the wire.
"""
