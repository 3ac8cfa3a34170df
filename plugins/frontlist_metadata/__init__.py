"""The metadata consumer: approved titles to 4ALLPORTAL (flow 1), released copy to Consonance (flow 6)."""
