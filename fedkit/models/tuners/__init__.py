"""Thirteen ways to tune a base model, by PEFT where PEFT has them.

In: a transformers encoder, a spec such as `lora:r=8`. Out: the encoder with a trainable part.
A new way is a frozen dataclass here and one line in `registry.TUNERS`.
May import: core.
"""
