"""Compiled hot paths, each beside a plain-Python twin that is its reference, fallback and oracle.

    _murmur2    Kafka's partitioner hash
    _seen       fixed-size filter of 128-bit keys: "certainly new" or "maybe seen"

This file alone chooses between the two and reports which it chose. `HEDGEROW_PURE_PYTHON=1` asks for the twins.
"""
