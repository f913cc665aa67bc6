# broker/: the broker. Its core and its store are archives of their own, so that tests and the
# simulator link them without the program, and tests/check/symbols can look into them.

noinst_LIBRARIES += \
	broker/libbrokercore.a \
	broker/libstatedb.a \
	broker/libstore.a

broker_libbrokercore_a_SOURCES = \
	broker/core/after.c \
	broker/core/alone.c \
	broker/core/attempts.h \
	broker/core/batch.h \
	broker/core/batches.c \
	broker/core/cancels.c \
	broker/core/check.c \
	broker/core/chunks.c \
	broker/core/clients.c \
	broker/core/core.h \
	broker/core/degraded.c \
	broker/core/dump.c \
	broker/core/due.c \
	broker/core/effects.c \
	broker/core/hello.c \
	broker/core/leases.c \
	broker/core/live.c \
	broker/core/odd.c \
	broker/core/order.c \
	broker/core/peers.h \
	broker/core/place.c \
	broker/core/quarantine.c \
	broker/core/queries.c \
	broker/core/quota.c \
	broker/core/records.c \
	broker/core/replay.c \
	broker/core/rerun.c \
	broker/core/retry.c \
	broker/core/restored.c \
	broker/core/results.c \
	broker/core/rowindex.c \
	broker/core/retention.c \
	broker/core/sched.c \
	broker/core/sched.h \
	broker/core/sessions.c \
	broker/core/submit.c \
	broker/core/subs.c \
	broker/core/waiting.c \
	broker/core/waits.c \
	broker/core/set.c \
	broker/core/stuck.c \
	broker/core/peeks.c \
	broker/core/progress.c \
	broker/core/wide.c \
	broker/core/workers.c \
	broker/core/drains.c

broker_libstore_a_SOURCES = \
	broker/store/store.c \
	broker/store/store.h \
	broker/store/store_mem.c

# The store on disk apart: whoever links the core with another store needs no SQLite.
broker_libstatedb_a_SOURCES = \
	broker/store/mark.c \
	broker/store/mark.h \
	broker/store/state_dir.c \
	broker/store/state_dir.h \
	broker/store/statedb.c \
	broker/store/statedb.h \
	broker/store/statedb_impl.h \
	broker/store/statedb_replay.c \
	broker/store/statedb_salvage.c \
	broker/store/statedb_schema.c \
	broker/store/statedb_verify.c \
	broker/store/statedb_write.c \
	broker/store/store_read.c \
	broker/store/store_read.h \
	broker/store/store_sqlite.c \
	broker/store/store_sqlite.h \
	broker/store/wal_scan.c \
	broker/store/wal_scan.h

bin_PROGRAMS += drover-broker
drover_broker_SOURCES = \
	broker/main.c \
	broker/options.c \
	broker/options.h \
	broker/turn.c \
	broker/turn.h
drover_broker_LDADD = \
	broker/libbrokercore.a broker/libstatedb.a broker/libstore.a \
	common/libnet.la common/libwire.la common/libmodel.la common/libbase.la \
	$(ZMQ_LIBS) $(MSGPACK_LIBS) $(SQLITE_LIBS) $(XXHASH_LIBS) -lpthread
