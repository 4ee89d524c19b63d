"""``python -m bandit_platform``: the command line."""

from bandit_platform.cli.main import main

main()
