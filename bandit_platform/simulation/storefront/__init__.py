"""A ticket shop to click through: simulated goods, real decisions and events."""
