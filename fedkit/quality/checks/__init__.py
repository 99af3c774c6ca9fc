"""The checks of a data set, one module for each subject.

In: the table as a view (`quality.finding.TableView`) and `CheckOptions`. Out: `Finding`s, or nothing.
A new check is a function here, its words in `findings.toml` and a line in `report.CHECKS`.
May import: core, data, models, quality.
"""
