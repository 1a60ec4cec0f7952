"""Plans of experiments for the Snakemake rules, and checks and records around a run."""
