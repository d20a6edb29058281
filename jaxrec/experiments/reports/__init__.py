"""Claims, findings, and how they are shown: tables, figures, Markdown."""
