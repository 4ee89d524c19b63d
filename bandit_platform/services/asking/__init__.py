"""Saved questions: asked, queued, answered and kept."""
