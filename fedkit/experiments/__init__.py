"""A whole run, many runs, and what to run next.

`job` prepares, `runner` goes from config to record and resumes, `store` keeps the folder,
`baselines` is what a run must beat, `sweep` makes many, `advise` says what fits the sites.
In: a config. Out: run records on disk. May import: everything below, never pages or panels.
"""
