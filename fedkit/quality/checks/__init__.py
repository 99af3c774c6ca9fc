"""The checks of a data set, one module for each subject.

In: a table (its arrays: `quality.finding.view_of`) and `CheckOptions`. Out: `Finding`s or nothing.
A new check is a function here, its words in `findings.toml` and a line in `report.CHECKS`.
May import: core, data, models, quality.
"""
