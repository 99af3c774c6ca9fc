"""The words of the brief, one TOML file for each language; single words of the governance pack.

In: nothing. Out: dictionaries of strings with named places; a test holds the languages equal. May
import: core.
"""
