"""Interactive panels for notebooks; each has a static form for pages without widget support.

In: records, configs, a file. Out: ipywidgets. Training runs in a thread, one run at a time.
May import: everything below except audit. Figures come from `plots`.
"""
