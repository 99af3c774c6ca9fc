"""A client's own training: one after another (`train`), together (`cohort`), private (`dp_sgd`).

In: the shared parameters and a client's examples. Out: its update, `local - shared`.
May import: core, data, privacy, models.
"""
