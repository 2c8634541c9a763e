"""What the clients of the database send and read, as they do it."""
