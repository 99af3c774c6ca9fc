"""Interactive panels for notebooks; each also works, still, where widgets do not.

In: records, configs, a file. Out: ipywidgets. Work runs in a thread, one at a time.
May import: everything below except audit. Figures come from `plots`.
"""
