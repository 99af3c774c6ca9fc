"""The BERT encoder for many clients at once: the frozen part shared, adapters side by side.

In: packed tokens of several clients. Out: sentence vectors and gradients, equal to the plain model
but for rounding; what no training changes is cached. May import: core.
"""
