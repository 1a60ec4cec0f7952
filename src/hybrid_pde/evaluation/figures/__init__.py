"""Figures of the evaluation and of training histories."""
