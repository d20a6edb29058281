"""What each client does with an environment, by the library that it belongs to."""
