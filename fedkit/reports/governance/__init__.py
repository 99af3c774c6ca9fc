"""Outlines for lawyers, prefilled from a run: seven documents as Markdown and DOCX.

In: a run record and its evidence. Out: a folder of documents with blanks marked. Every sentence is
in templates/, one Markdown file for each document and language, to be opened and edited. May
import: core, results, reports.brief, reports.pages, reports.text.
"""
