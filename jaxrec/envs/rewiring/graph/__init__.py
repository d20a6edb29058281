"""The graph of a society as bitsets: its ties, how they are drawn, and how it starts."""
