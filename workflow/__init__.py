"""The Snakemake workflow: what its rules ask for, and the programs that they run."""
