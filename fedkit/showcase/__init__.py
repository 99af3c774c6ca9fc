"""The executive demo: five steps in a browser without code, in English and Japanese.

It shows the records in `data/showcase` and one live run in widgets that Voila serves on this
machine. May import: everything below except audit, widgets and lessons.
"""
