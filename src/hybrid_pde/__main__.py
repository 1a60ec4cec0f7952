"""``python -m hybrid_pde``: the command ``hybrid-pde``."""

from hybrid_pde.command_line.app import main

if __name__ == "__main__":
    main()
