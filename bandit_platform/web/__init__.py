"""HTTP: views that parse, call one service and serialise; errors become statuses in one place."""
