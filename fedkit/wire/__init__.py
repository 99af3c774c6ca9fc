"""Messages between client and server: an update becomes bytes, and bytes become an update again.

`pipeline` chains the `stages` (quantise, select, entropy-code ...), `payload` is the format of one
message, `layout` how tensors lie in it, `secure_aggregation` sums whose terms stay hidden.
Bytes that arrive are untrusted: names, shapes, sizes and values are checked before use.
May import: core.
"""
