"""What a running system keeps of many policies over the same rows."""
