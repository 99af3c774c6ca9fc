"""The bench: client count, data, line and devices as sliders, results redrawn at once.

In: a config. Out: one panel with measured and modelled values told apart.
May import: as `widgets`.
"""
