"""Speed relative to other programs that do the same, measured side by side."""
