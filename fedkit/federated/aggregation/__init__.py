"""How updates are combined: the mean of LoRA pairs, weights, robust rules.

In: updates of one round. Out: one change of the shared parameters. Papers: `flora`, `krum` ...
May import: core, models, federated.local, federated.interfaces. Never the network or the wire.
"""
