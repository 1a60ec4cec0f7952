"""Simulation cache: one safetensors file per simulation."""
