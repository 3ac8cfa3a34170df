"""A web shop that gets every title by one HTTP POST."""
