"""The words of brief and governance pack, one module for each document and language.

In: nothing. Out: dictionaries of strings with named places; a test holds the languages equal. May
import: core.
"""
