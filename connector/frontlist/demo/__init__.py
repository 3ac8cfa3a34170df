"""`frontlist demo`: the whole product on real servers, played as a story in which each step has its checks.

`stage` sets everything up, `story` plays the chapters (`titles`, `copies`, `trouble`), `checks` keeps what held.
"""
