"""The one broker and the one PostgreSQL server of a test run."""
