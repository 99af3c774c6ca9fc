"""Thirteen ways to tune a base model, by PEFT where PEFT has them; `registry.TUNERS` lists them.

In: a transformers encoder. Out: the same encoder with a trainable part. May import: core.
"""
