# worker/: the worker. The core decides, libexec.a starts and watches task processes; the program
# joins them to the broker.

noinst_LIBRARIES += \
	worker/libworkercore.a \
	worker/libexec.a

worker_libworkercore_a_SOURCES = \
	worker/core/agent.c \
	worker/core/agent.h \
	worker/core/batches.c \
	worker/core/bits.c \
	worker/core/cancel.c \
	worker/core/check.c \
	worker/core/core.h \
	worker/core/died.c \
	worker/core/drain.c \
	worker/core/effects.c \
	worker/core/exclusive.c \
	worker/core/executors.c \
	worker/core/hold.c \
	worker/core/jobs.c \
	worker/core/orders.c \
	worker/core/place.c \
	worker/core/results.c \
	worker/core/runs.c \
	worker/core/said.c \
	worker/core/session.c

worker_libexec_a_SOURCES = \
	worker/drover_module.h \
	worker/exec/builtin.c \
	worker/exec/builtin.h \
	worker/exec/call.c \
	worker/exec/call.h \
	worker/exec/capture.c \
	worker/exec/capture.h \
	worker/exec/cgroup.c \
	worker/exec/cgroup.h \
	worker/exec/cgroup_text.c \
	worker/exec/cgroup_text.h \
	worker/exec/command.c \
	worker/exec/command.h \
	worker/exec/control.c \
	worker/exec/control.h \
	worker/exec/ending.c \
	worker/exec/ending.h \
	worker/exec/environ.c \
	worker/exec/environ.h \
	worker/exec/executor.c \
	worker/exec/executor.h \
	worker/exec/family.c \
	worker/exec/family.h \
	worker/exec/framing.c \
	worker/exec/framing.h \
	worker/exec/function.c \
	worker/exec/function.h \
	worker/exec/house.c \
	worker/exec/house.h \
	worker/exec/input.c \
	worker/exec/input.h \
	worker/exec/launcher.c \
	worker/exec/launcher.h \
	worker/exec/launcher_link.c \
	worker/exec/launcher_proto.h \
	worker/exec/lease.c \
	worker/exec/lease.h \
	worker/exec/leaf.c \
	worker/exec/leaf.h \
	worker/exec/module.c \
	worker/exec/module.h \
	worker/exec/program.c \
	worker/exec/program.h \
	worker/exec/spawn.c \
	worker/exec/spawn.h \
	worker/exec/spec.c \
	worker/exec/spec.h \
	worker/exec/start.c \
	worker/exec/start.h \
	worker/exec/survey.c \
	worker/exec/survey.h \
	worker/exec/sweep.c \
	worker/exec/sweep.h \
	worker/exec/tree.c \
	worker/exec/tree.h \
	worker/exec/values.c \
	worker/exec/values.h \
	worker/exec/worn.c \
	worker/exec/worn.h

include_HEADERS += worker/drover_module.h

bin_PROGRAMS += drover-worker
drover_worker_SOURCES = \
	worker/apply.c \
	worker/main.c \
	worker/on_broker.c \
	worker/on_executor.c \
	worker/options.c \
	worker/options.h \
	worker/turn.c \
	worker/worker.h
drover_worker_LDADD = \
	worker/libworkercore.a worker/libexec.a \
	common/libnet.la common/libwire.la common/libmodel.la common/libbase.la \
	$(ZMQ_LIBS) $(MSGPACK_LIBS)
