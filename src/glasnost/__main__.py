"""``python -m glasnost``: for who starts it by its interpreter, as units of systemd do."""

from glasnost.cli import main

main()
