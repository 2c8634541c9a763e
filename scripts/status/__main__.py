import sys

from scripts.status.cli import main

if __name__ == "__main__":
    sys.exit(main())
