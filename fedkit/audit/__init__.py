"""What an attacker learns, and whether a mechanism keeps its promise.

`leak` reads updates, `membership` asks who was in the training data, `canary` plays the privacy
game; `run_attack` and `run_audit` do it to a finished run. An attack that fails proves nothing.
In: a job or a record. Out: shares and lower bounds. May import: experiments and below.
"""
