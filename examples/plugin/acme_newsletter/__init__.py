"""Which titles the newsletter may announce, and from when."""
