# bench/: reference programs, and the programs that print drover's figures beside theirs. Built by
# `make bench` only; bench/run runs them all and prints the table.

bench_references = \
	bench/null_broker \
	bench/spawn_loop \
	bench/sqlite_rows

bench_figures = \
	bench/bulk \
	bench/commands \
	bench/durable \
	bench/noop_rate \
	bench/queue_memory \
	bench/round_trip \
	bench/sleepers \
	bench/startup

EXTRA_PROGRAMS = $(bench_references) $(bench_figures)
EXTRA_LIBRARIES = bench/libbench.a

bench_libbench_a_SOURCES = \
	bench/child.c \
	bench/child.h \
	bench/options.c \
	bench/options.h \
	bench/proc.c \
	bench/proc.h

# What the figures taken through libdrover share.
bench_session = \
	bench/cluster.c \
	bench/cluster.h \
	bench/feed.c \
	bench/feed.h

BENCH_BASE = bench/libbench.a common/libbase.la
BENCH_DROVER = bench/libbench.a client/libdrover.la common/libbase.la

bench_null_broker_SOURCES = bench/null_broker.c
bench_null_broker_LDADD = $(BENCH_BASE) $(ZMQ_LIBS)
bench_spawn_loop_SOURCES = bench/spawn_loop.c
bench_spawn_loop_LDADD = $(BENCH_BASE)

bench_sqlite_rows_SOURCES = bench/sqlite_rows.c
bench_sqlite_rows_LDADD = $(BENCH_BASE) $(SQLITE_LIBS)

bench_commands_SOURCES = bench/commands.c
bench_commands_LDADD = $(BENCH_BASE)
bench_startup_SOURCES = bench/startup.c
bench_startup_LDADD = $(BENCH_BASE)

# -static: drover's own libraries only, so that there is no wrapper script around the program.
bench_bulk_SOURCES = bench/bulk.c $(bench_session)
bench_bulk_LDADD = $(BENCH_DROVER)
bench_bulk_LDFLAGS = -static $(AM_LDFLAGS)
bench_durable_SOURCES = bench/durable.c $(bench_session)
bench_durable_LDADD = $(BENCH_DROVER)
bench_durable_LDFLAGS = -static $(AM_LDFLAGS)
bench_noop_rate_SOURCES = bench/noop_rate.c $(bench_session)
bench_noop_rate_LDADD = $(BENCH_DROVER)
bench_noop_rate_LDFLAGS = -static $(AM_LDFLAGS)
bench_queue_memory_SOURCES = bench/queue_memory.c $(bench_session)
bench_queue_memory_LDADD = $(BENCH_DROVER)
bench_queue_memory_LDFLAGS = -static $(AM_LDFLAGS)
bench_round_trip_SOURCES = bench/round_trip.c $(bench_session)
bench_round_trip_LDADD = $(BENCH_DROVER)
bench_round_trip_LDFLAGS = -static $(AM_LDFLAGS)
bench_sleepers_SOURCES = bench/sleepers.c $(bench_session)
bench_sleepers_LDADD = $(BENCH_DROVER)
bench_sleepers_LDFLAGS = -static $(AM_LDFLAGS)

.PHONY: bench
bench: $(bin_PROGRAMS) $(EXTRA_PROGRAMS)

EXTRA_DIST += bench/run
CLEANFILES += $(EXTRA_PROGRAMS) $(EXTRA_LIBRARIES)
