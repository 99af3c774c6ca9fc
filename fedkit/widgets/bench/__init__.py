"""The bench panel: clients, data, link and devices as sliders; results are redrawn at once.

In: a config. Out: one panel that marks which values are measured and which are modelled.
May import: as `widgets`.
"""
