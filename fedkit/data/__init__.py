"""From a file, folder or hub set to each client's examples.

In: a path or name, columns, a seed. Out: a `Corpus`, and from it one `ClientData` per client.
Rows are cleaned the same way for every use; what was guessed or dropped is said in notes.
May import: core. Never a model: whether data suits a model is asked in `quality`.
"""
