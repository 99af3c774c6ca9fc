"""One round from download to sum: the choice of clients, the exchange, faults and attacks.

In: clients, the exchange of bytes, faults and attacks drawn from seeds. Out: updates that arrived
and a record for every client. `head_start` is the exchange before round 1.
May import: core, data, network, wire, privacy, models, federated.local, federated.aggregation,
federated.strategies, federated.interfaces, federated.cost_model, federated.methods.
"""
