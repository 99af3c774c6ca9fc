"""The executive demo: five steps in a browser, no code in sight, English and Japanese.

In: the records in `data/showcase`, and one live run. Out: widgets that Voila
serves on this machine.
May import: everything below except audit, widgets and lessons.
"""
