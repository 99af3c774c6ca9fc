"""The base model, and the part of it that is trained.

In: a name or folder of weights and a `--tune` spec. Out: a `Model` that predicts, gives features
and holds its trainable tensors under PEFT's names. Weights are checked by sha256 and never changed.
May import: core, data, wire (for the length of payloads). Never clients or rounds.
"""
