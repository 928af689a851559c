"""Alerts in the database: tables, rows, and one transaction for each transition."""
