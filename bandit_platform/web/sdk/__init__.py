"""The script that shops put into their pages, and its types."""
