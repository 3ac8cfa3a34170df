"""What the benchmarks plug into Frontlist: every title to a counting HTTP server."""
