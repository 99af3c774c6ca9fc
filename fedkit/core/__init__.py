"""What all folders share; nothing here knows about federated learning.

In: values. Out: the config, the run record, specs (`name:key=value`), errors, file writing, numbers
as text, intervals. `record.py` defines `run.json`, which everything above reads.
May import: nothing of fedkit. What only one folder needs stays in that folder.
"""
