"""Users as they are estimated from logs of what they were shown and chose."""
