"""Privacy attacks, and audits of privacy mechanisms.

`leak` attacks updates (`dager`, `head_gradient`), `membership` infers training data, `canary`
audits a mechanism; `recorded_run` does both for a finished run. A failed attack proves nothing.
In: a job or a record. Out: shares and lower bounds. May import: experiments and below.
"""
