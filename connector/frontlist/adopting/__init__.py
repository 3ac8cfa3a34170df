"""`frontlist adopt`: what a filled tenant would lose or gain, field by field, before anything is written.

`comparing` decides without I/O, `reading` brings it plans and what stands in both systems, `reports` keeps what a
person was shown and publishes what he accepts: that an empty value of the owner may clear a cell.
"""
