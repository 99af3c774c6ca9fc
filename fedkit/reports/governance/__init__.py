"""Outlines for lawyers, prefilled from a run: seven documents as Markdown and DOCX.

In: a run record and its evidence. Out: a folder of documents with blanks marked. May import: core,
results, reports.brief, reports.text.
"""
