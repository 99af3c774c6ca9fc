"""From a file, a folder or a hub data set to the examples of each client.

In: a path or name, columns, a seed. Out: a `Corpus`, and from it one `ClientData` per client.
Rows are cleaned the same way for every use; notes say what was guessed or dropped.
May import: core. Never a model: `quality` checks whether data suits a model.
"""
