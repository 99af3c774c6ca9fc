"""The brief as PowerPoint, with native charts that can be edited.

In: a `Brief`. Out: one .pptx file; `deck` has a function for each slide, `boxes` draws the text,
`charts` and `chart_xml` the pictures.
May import: core, results, reports.brief.
"""
