"""Documents for people: pages, the brief with its slides, the governance pack.

In: run records or a quality report. Out: HTML, PPTX, DOCX, Markdown, JSON in one folder. The words
are in `text`, the pages in `templates`; every value is escaped, nothing is loaded from a network.
May import: core, data, network, privacy, quality, results, plots. Never anything that trains.
"""
