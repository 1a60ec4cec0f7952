"""The simulation cache: one safetensors file per simulation."""
