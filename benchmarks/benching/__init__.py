"""The benchmarks of delivery: a counting target, two logs, Frontlist as shipped, and two peers beside it."""
