# examples/: to be read, run and copied; nothing here is installed. `make check TESTS=` builds the programs.

example_programs = \
	examples/actions \
	examples/all \
	examples/any \
	examples/background \
	examples/customers \
	examples/payments \
	examples/statistics \
	examples/users

check_PROGRAMS += $(example_programs)

# as outside of the tree: the public header, and the library
EXAMPLE_CPPFLAGS = -I$(top_srcdir)/client
EXAMPLE_LIBS = client/libdrover.la

examples_actions_SOURCES = examples/actions.c examples/example.h
examples_actions_CPPFLAGS = $(EXAMPLE_CPPFLAGS)
examples_actions_LDADD = $(EXAMPLE_LIBS)
examples_all_SOURCES = examples/all.c examples/example.h
examples_all_CPPFLAGS = $(EXAMPLE_CPPFLAGS)
examples_all_LDADD = $(EXAMPLE_LIBS)
examples_any_SOURCES = examples/any.c examples/example.h
examples_any_CPPFLAGS = $(EXAMPLE_CPPFLAGS)
examples_any_LDADD = $(EXAMPLE_LIBS)
examples_background_SOURCES = examples/background.c examples/example.h
examples_background_CPPFLAGS = $(EXAMPLE_CPPFLAGS)
examples_background_LDADD = $(EXAMPLE_LIBS)
examples_customers_SOURCES = examples/customers.c examples/example.h
examples_customers_CPPFLAGS = $(EXAMPLE_CPPFLAGS)
examples_customers_LDADD = $(EXAMPLE_LIBS)
examples_payments_SOURCES = examples/payments.c examples/example.h
examples_payments_CPPFLAGS = $(EXAMPLE_CPPFLAGS)
examples_payments_LDADD = $(EXAMPLE_LIBS)
examples_statistics_SOURCES = examples/statistics.c examples/example.h
examples_statistics_CPPFLAGS = $(EXAMPLE_CPPFLAGS)
examples_statistics_LDADD = $(EXAMPLE_LIBS)
examples_users_SOURCES = examples/users.c examples/example.h
examples_users_CPPFLAGS = $(EXAMPLE_CPPFLAGS)
examples_users_LDADD = $(EXAMPLE_LIBS)

EXTRA_DIST += \
	$(example_programs:=.sh) \
	examples/text.c \
	examples/work.c \
	examples/worker.py
