"""What depends on the machine and on no science."""
