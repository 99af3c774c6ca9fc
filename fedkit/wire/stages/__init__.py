"""The steps that make an update smaller, one module for each idea; `pipeline.STAGES` lists them.

In: an array and a context (client, round, seed, memory). Out: a smaller form, and its inverse.
May import: core, wire.bits, wire.layout.
"""
