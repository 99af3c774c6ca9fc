"""What crosses the network: an update in, bytes out, and back, checked on arrival.

`pipeline` chains the `stages` (quantise, select, entropy-code ...), `payload` is the format of one
message, `layout` how tensors lie in it, `secure_aggregation` sums that nobody can look into.
Bytes that arrive are untrusted: names, shapes, sizes and values are checked before use.
May import: core.
"""
