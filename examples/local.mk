# examples/: to be read, run and copied; nothing here is installed.

EXTRA_DIST += \
	examples/text.c \
	examples/worker.py
