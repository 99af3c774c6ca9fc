"""What everything shares, and nothing about federated learning itself.

In: values. Out: the config, the run record, specs (`name:key=value`), errors, file writing, number
words, intervals. `record.py` is `run.json`, the contract that everything above reads.
May import: nothing of fedkit. What only one folder needs stays in that folder.
"""
