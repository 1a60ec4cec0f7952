"""What the Snakemake rules ask for, and what surrounds a run."""
