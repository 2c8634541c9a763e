"""Entry point of `python -m verify`."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Ctrl-C while modules are loaded would show where.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from verify.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
else:
    from verify.cli import main

sys.exit(main())
