"""Off-policy evaluation of logs and of live experiments, and logs in and out."""
