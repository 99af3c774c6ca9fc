"""One round from download to sum: who takes part, what is sent, what goes wrong.

In: clients, the exchange of bytes, faults and attacks drawn from seeds. Out: updates that arrived
and a record for every client. `head_start` is the exchange before round 1.
May import: core, data, network, wire, privacy, models, federated.local and .aggregation.
"""
