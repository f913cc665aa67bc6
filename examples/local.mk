# examples/: to be read, run and copied; nothing here is installed.

EXTRA_DIST += \
	examples/worker.py
