"""What the end to end tests stand on: servers of their own, the built programs, foreign clients and an oracle."""
