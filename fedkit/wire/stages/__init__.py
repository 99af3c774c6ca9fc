"""The stages that make an update smaller, one module per role; `pipeline.STAGES` lists them.

A stage turns a vector into smaller arrays (`compress`, `pack`) and back (`decompress`, `unpack`).
May import: core, wire.layout.
"""
