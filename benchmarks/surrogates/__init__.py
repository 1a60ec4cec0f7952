"""Surrogates: how fast they are trained and fed, and what generated data are worth to them."""
