"""Plain functions that make what the tests need: records, pages, texts, tiny models.

Nothing here is a fixture. Fixtures are in the `conftest.py` of the folder that uses them.
"""
