"""Compare queries in dashboards, alert rules and documents with the registry."""
