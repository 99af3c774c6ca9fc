"""The governance pack: seven outlines for the lawyers of companies that train together, prefilled
from a run's record.

case ──► terms, hosting, ownership, leaving, risks, assessment, card ──► document ──► markdown,
wordfile ──► pack Every document is a tree of plain text; what draws it escapes everything, since
names come from records, and records from anybody. Nothing here is legal advice, and every document
says so first.
"""
