"""The client for shops written in Python: the standard library only, and nothing that can fail.

``Client`` asks for decisions within a time limit and falls back to nothing; outcomes leave in the
background and are sent again until they arrive. ``FakeClient`` stands in for it in tests.
"""

from bandit_platform.client.client import Client
from bandit_platform.client.decision import Decision
from bandit_platform.client.fake import FakeClient

__all__ = ["Client", "Decision", "FakeClient"]
