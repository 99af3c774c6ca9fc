"""Check whether a file can be learned from, with one function for each kind of finding.

In: raw rows as `data.load.read_rows` gives them. Out: a verdict, findings with rows and how to fix
them, a cleaned copy. `report.CHECKS` lists the checks.
May import: core, data, models (its tokenizer). Never runs or records.
"""
