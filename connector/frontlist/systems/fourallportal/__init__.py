"""The 4ALLPORTAL side: what it reads for capture (`source`) and how desired states get there (`target`)."""
