# client/: libdrover, its header, and the command line on top of it.
#
# libclient.la holds the library's objects, so that unit tests see what libdrover does not export.

noinst_LTLIBRARIES += client/libclient.la
noinst_LIBRARIES += client/libcli.a

client_libclient_la_SOURCES = \
	client/lib/advice.c \
	client/lib/batch.c \
	client/lib/batch.h \
	client/lib/batch_api.c \
	client/lib/batch_api.h \
	client/lib/cancel_source.c \
	client/lib/cancel_source.h \
	client/lib/command.c \
	client/lib/command.h \
	client/lib/core.c \
	client/lib/core.h \
	client/lib/core_ask.c \
	client/lib/deliver.c \
	client/lib/deliver.h \
	client/lib/fault.c \
	client/lib/fault.h \
	client/lib/find.c \
	client/lib/find.h \
	client/lib/handle.c \
	client/lib/handle.h \
	client/lib/item.h \
	client/lib/loops.c \
	client/lib/open.c \
	client/lib/opening.c \
	client/lib/opening.h \
	client/lib/partial.c \
	client/lib/partial.h \
	client/lib/pipeline.c \
	client/lib/pipeline.h \
	client/lib/private.c \
	client/lib/private.h \
	client/lib/request.c \
	client/lib/request.h \
	client/lib/request_api.c \
	client/lib/follow.c \
	client/lib/restart.c \
	client/lib/restart.h \
	client/lib/result.c \
	client/lib/result.h \
	client/lib/session.c \
	client/lib/session.h \
	client/lib/spec.c \
	client/lib/spec.h \
	client/lib/spill.c \
	client/lib/spill.h \
	client/lib/stage_row.c \
	client/lib/stage_row.h \
	client/lib/stream.c \
	client/lib/stream.h \
	client/lib/task.c \
	client/lib/task.h \
	client/lib/task_result.c \
	client/lib/task_result.h \
	client/lib/task_rows.c \
	client/lib/task_rows.h \
	client/lib/task_shared.c \
	client/lib/task_shared.h \
	client/lib/then.c \
	client/lib/unsent.c \
	client/lib/unsent.h \
	client/lib/when.c \
	client/lib/when.h \
	client/lib/worth.c

client_libcli_a_SOURCES = \
	client/cli/batch_table.c \
	client/cli/batch_table.h \
	client/cli/batches.c \
	client/cli/batches.h \
	client/cli/cli.h \
	client/cli/cmd_advise.c \
	client/cli/cmd_broker.c \
	client/cli/cmd_cancel.c \
	client/cli/cmd_fallback.c \
	client/cli/cmd_foreach.c \
	client/cli/cmd_forget.c \
	client/cli/cmd_help.c \
	client/cli/cmd_info.c \
	client/cli/cmd_invoke.c \
	client/cli/cmd_list.c \
	client/cli/cmd_module.c \
	client/cli/cmd_ping.c \
	client/cli/cmd_race.c \
	client/cli/cmd_results.c \
	client/cli/cmd_retry.c \
	client/cli/cmd_logs.c \
	client/cli/cmd_set.c \
	client/cli/cmd_run.c \
	client/cli/cmd_status.c \
	client/cli/cmd_submit.c \
	client/cli/cmd_wait.c \
	client/cli/cmd_worker.c \
	client/cli/colsep.c \
	client/cli/colsep.h \
	client/cli/combine.c \
	client/cli/combine.h \
	client/cli/commands.def \
	client/cli/durations.c \
	client/cli/durations.h \
	client/cli/failures.c \
	client/cli/failures.h \
	client/cli/feed.c \
	client/cli/feed.h \
	client/cli/fields.c \
	client/cli/fields.h \
	client/cli/foreach_opts.c \
	client/cli/foreach_opts.h \
	client/cli/foreach_refused.def \
	client/cli/help.c \
	client/cli/help.h \
	client/cli/help_texts.c \
	client/cli/joblimit.c \
	client/cli/joblimit.h \
	client/cli/jobs.c \
	client/cli/jobs.h \
	client/cli/json_out.c \
	client/cli/json_out.h \
	client/cli/keycount.c \
	client/cli/keycount.h \
	client/cli/latest.c \
	client/cli/latest.h \
	client/cli/lines.c \
	client/cli/lines.h \
	client/cli/options.c \
	client/cli/options.h \
	client/cli/pending.c \
	client/cli/pending.h \
	client/cli/places.c \
	client/cli/places.h \
	client/cli/plan.c \
	client/cli/plan.h \
	client/cli/printer.c \
	client/cli/printer.h \
	client/cli/programs.c \
	client/cli/programs.h \
	client/cli/query.c \
	client/cli/reader.c \
	client/cli/reader.h \
	client/cli/recall.c \
	client/cli/recall.h \
	client/cli/after.c \
	client/cli/after.h \
	client/cli/retrying.c \
	client/cli/retrying.h \
	client/cli/rivals.c \
	client/cli/rivals.h \
	client/cli/rivals_report.c \
	client/cli/rivals_report.h \
	client/cli/rowfile.c \
	client/cli/rowfile.h \
	client/cli/runner.c \
	client/cli/runner.h \
	client/cli/runner_inner.h \
	client/cli/runner_worth.c \
	client/cli/say.c \
	client/cli/say.h \
	client/cli/selectors.c \
	client/cli/selectors.h \
	client/cli/session.c \
	client/cli/session.h \
	client/cli/show.c \
	client/cli/show.h \
	client/cli/signals.c \
	client/cli/signals.h \
	client/cli/sink.c \
	client/cli/sink.h \
	client/cli/source.c \
	client/cli/source.h \
	client/cli/stock.c \
	client/cli/stock.h \
	client/cli/suggest.c \
	client/cli/suggest.h \
	client/cli/summary.c \
	client/cli/summary.h \
	client/cli/table.c \
	client/cli/table.h \
	client/cli/tally.c \
	client/cli/tally.h \
	client/cli/task.c \
	client/cli/task.h

lib_LTLIBRARIES += client/libdrover.la
include_HEADERS += client/drover.h client/drover_task.h
pkgconfig_DATA = client/libdrover.pc

client_libdrover_la_SOURCES = client/drover.h client/drover_task.h
client_libdrover_la_LIBADD = client/libclient.la \
	common/libnet.la common/libwire.la common/libmodel.la common/libbase.la
client_libdrover_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined -version-info 0:0:0 \
	-export-symbols-regex '^drover_'

bin_PROGRAMS += drover
drover_SOURCES = client/cli/main.c
drover_LDADD = client/libcli.a client/libdrover.la $(JANSSON_LIBS)
drover_LDFLAGS = $(AM_LDFLAGS) -static
