"""The workflow's stages, one module each, named as the rule and the script."""
