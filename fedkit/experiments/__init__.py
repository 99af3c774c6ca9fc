"""A whole run, many runs, and what to run next.

`job` prepares, `runner` makes and resumes a run, `store` keeps its folder, `baselines` is what a
run must beat, `sweep` makes many runs, `advise` ranks methods for given clients. In: a config. Out:
run records on disk. May import: everything below, never pages or panels.
"""
