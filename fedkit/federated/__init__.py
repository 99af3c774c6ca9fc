"""The algorithm: `algorithm.py` is federated averaging on one page, the rest its details.

In: a model, clients, a config. Out: round after round, the new shared parameters and what each
client did. `strategies` act against drift; `validation` refuses settings that contradict.
May import: core, data, network, wire, privacy, models. Never files, records of other runs, figures.
"""
