"""The brief as PowerPoint with native, editable charts.

In: a `Brief`. Out: one .pptx. May import: core, plots.theme, reports.brief.
"""
