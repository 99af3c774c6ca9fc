"""The decision on one page: evidence, rules and money, in English and Japanese.

In: records and assumptions about money. Out: a `Brief`, drawn as page, slides and JSON.
May import: core, network, privacy, results, plots, reports.pages, reports.text.
"""
