"""The checks of a data set, one module for each subject.

In: the table as a view (`quality.table_view`) and `CheckOptions`. Out: `Finding`s, or nothing.
A new check is a function here and one line in `quality.report.CHECKS`.
May import: core, data, models, quality.
"""
