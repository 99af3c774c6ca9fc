"""Privacy attacks, and audits of privacy mechanisms.

`leak` attacks updates, `membership` infers training data, `canary` audits a mechanism; `run_attack`
and `run_audit` do the same for a finished run. An attack that fails proves nothing.
In: a job or a record. Out: shares and lower bounds. May import: experiments and below.
"""
