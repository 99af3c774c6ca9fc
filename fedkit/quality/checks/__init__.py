"""The checks themselves, one module for each subject; each gives `Finding`s or nothing.

In: a `TableView` and `CheckOptions`. Out: findings. May import: core, data, models, quality.
"""
