"""`frontlist link`: which record of 4ALLPORTAL is which product, for tenants that were filled before us.

`matching` decides without I/O, `reading` brings it products and records, `reports` keeps what a person was shown, and
`accepting` writes links for exactly that. Nothing is written to the vendors.
"""
