"""Keys and the audit log in words."""
