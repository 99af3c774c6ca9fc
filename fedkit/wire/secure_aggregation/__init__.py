"""Secure aggregation: sums that the server can read without reading any single upload.

`masks` and `masking_client` are Bonawitz et al. (2017) with `shamir`, for teaching and not
secure; `ckks` is homomorphic encryption by TenSEAL; `registry.LOCKS` lists both.
May import: core, wire.layout, wire.payload.
"""
