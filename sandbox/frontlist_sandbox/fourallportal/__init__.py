"""A local 4ALLPORTAL: the documented routes over modules that exist in memory only. `server.app` makes one.

Nothing is imported here: its assumptions are read where the sandbox's own libraries are missing.
"""
