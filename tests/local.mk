# tests/: everything that `make check` runs, through tests/driver, which counts cases and looks for
# what a test leaves behind. tests/check/listed fails for a test that is on disk but not here.
#
# A unit test tests/unit/test_NAME.c is its name in unit_tests, and a line that says what it links:
#     tests_unit_test_NAME_LDADD = $(UNIT_BASE)

UNIT_BASE = common/libbase.la $(CMOCKA_LIBS)
UNIT_MODEL = common/libmodel.la $(UNIT_BASE)
UNIT_WIRE = common/libwire.la $(UNIT_MODEL)
UNIT_NET = common/libnet.la $(UNIT_WIRE)
UNIT_BROKER = broker/libbrokercore.a broker/libstore.a $(UNIT_WIRE) $(XXHASH_LIBS)
UNIT_STATE = broker/libstatedb.a broker/libstore.a $(UNIT_WIRE) $(SQLITE_LIBS) $(XXHASH_LIBS) -lpthread
UNIT_WORKER = worker/libworkercore.a $(UNIT_WIRE)
UNIT_EXEC = worker/libexec.a $(UNIT_WIRE)
UNIT_CLIENT = client/libclient.la $(UNIT_NET)
UNIT_CLI = client/libcli.a $(UNIT_BASE)

unit_tests = \
	tests/unit/test_advice \
	tests/unit/test_agent_ends \
	tests/unit/test_agent_exclusive \
	tests/unit/test_agent_once \
	tests/unit/test_agent_random \
	tests/unit/test_agent_restart \
	tests/unit/test_agent_rows \
	tests/unit/test_agent_session \
	tests/unit/test_agent_spoiled \
	tests/unit/test_cgroup \
	tests/unit/test_chan \
	tests/unit/test_chan_line \
	tests/unit/test_client_batch \
	tests/unit/test_client_core \
	tests/unit/test_client_handle \
	tests/unit/test_client_reattach \
	tests/unit/test_client_restart \
	tests/unit/test_client_rows \
	tests/unit/test_client_session \
	tests/unit/test_client_tasks \
	tests/unit/test_client_then \
	tests/unit/test_exec_cgroup \
	tests/unit/test_exec_command \
	tests/unit/test_exec_end \
	tests/unit/test_exec_framing \
	tests/unit/test_exec_function \
	tests/unit/test_exec_output \
	tests/unit/test_exec_parts \
	tests/unit/test_failures \
	tests/unit/test_faultpoint \
	tests/unit/test_foreach_opts \
	tests/unit/test_help \
	tests/unit/test_jobs \
	tests/unit/test_json \
	tests/unit/test_launcher \
	tests/unit/test_lease \
	tests/unit/test_link \
	tests/unit/test_loop \
	tests/unit/test_memory_out \
	tests/unit/test_outcome \
	tests/unit/test_pace \
	tests/unit/test_pipeline \
	tests/unit/test_plan \
	tests/unit/test_private \
	tests/unit/test_query \
	tests/unit/test_ranges \
	tests/unit/test_retrying \
	tests/unit/test_rivals \
	tests/unit/test_rivals_report \
	tests/unit/test_rowfile \
	tests/unit/test_rows \
	tests/unit/test_scan \
	tests/unit/test_sched_after \
	tests/unit/test_sched_ask \
	tests/unit/test_sched_batch \
	tests/unit/test_sched_degraded \
	tests/unit/test_sched_doubt \
	tests/unit/test_sched_hostile \
	tests/unit/test_sched_kept \
	tests/unit/test_sched_keys \
	tests/unit/test_sched_large \
	tests/unit/test_sched_loss \
	tests/unit/test_sched_peek \
	tests/unit/test_sched_place \
	tests/unit/test_sched_drain \
	tests/unit/test_sched_flat \
	tests/unit/test_sched_quota \
	tests/unit/test_sched_readers \
	tests/unit/test_sched_reopen \
	tests/unit/test_sched_replay \
	tests/unit/test_sched_order \
	tests/unit/test_sched_retry \
	tests/unit/test_sched_restart \
	tests/unit/test_sched_session \
	tests/unit/test_sched_set \
	tests/unit/test_sched_went_back \
	tests/unit/test_sched_wide \
	tests/unit/test_selectors \
	tests/unit/test_shquote \
	tests/unit/test_source \
	tests/unit/test_state_damage \
	tests/unit/test_state_errors \
	tests/unit/test_state_power \
	tests/unit/test_statedb \
	tests/unit/test_store_sqlite \
	tests/unit/test_store_turn \
	tests/unit/test_summary \
	tests/unit/test_tally \
	tests/unit/test_template \
	tests/unit/test_turn \
	tests/unit/test_url \
	tests/unit/test_vectors \
	tests/unit/test_wire

AGENT_RIG = tests/unit/agent_rig.c tests/unit/agent_rig.h
tests_unit_test_agent_ends_SOURCES = tests/unit/test_agent_ends.c $(AGENT_RIG)
tests_unit_test_agent_ends_LDADD = $(UNIT_WORKER)
tests_unit_test_agent_exclusive_SOURCES = tests/unit/test_agent_exclusive.c $(AGENT_RIG)
tests_unit_test_agent_exclusive_LDADD = $(UNIT_WORKER)
tests_unit_test_agent_once_SOURCES = tests/unit/test_agent_once.c $(AGENT_RIG)
tests_unit_test_agent_once_LDADD = $(UNIT_WORKER)
tests_unit_test_agent_restart_SOURCES = tests/unit/test_agent_restart.c $(AGENT_RIG)
tests_unit_test_agent_restart_LDADD = $(UNIT_WORKER)
tests_unit_test_agent_random_SOURCES = tests/unit/test_agent_random.c $(AGENT_RIG)
tests_unit_test_agent_random_LDADD = $(UNIT_WORKER)
tests_unit_test_agent_rows_SOURCES = tests/unit/test_agent_rows.c $(AGENT_RIG)
tests_unit_test_agent_rows_LDADD = $(UNIT_WORKER)
tests_unit_test_agent_session_SOURCES = tests/unit/test_agent_session.c $(AGENT_RIG)
tests_unit_test_agent_spoiled_SOURCES = tests/unit/test_agent_spoiled.c $(AGENT_RIG)
tests_unit_test_agent_session_LDADD = $(UNIT_WORKER)
tests_unit_test_agent_spoiled_LDADD = $(UNIT_WORKER)
CLIENT_RIG = tests/unit/client_rig.c tests/unit/client_rig.h
tests_unit_test_client_batch_SOURCES = tests/unit/test_client_batch.c $(CLIENT_RIG)
tests_unit_test_client_batch_LDADD = $(UNIT_CLIENT)
tests_unit_test_client_core_SOURCES = tests/unit/test_client_core.c $(CLIENT_RIG)
tests_unit_test_client_core_LDADD = $(UNIT_CLIENT)
tests_unit_test_client_reattach_SOURCES = tests/unit/test_client_reattach.c $(CLIENT_RIG)
tests_unit_test_client_reattach_LDADD = $(UNIT_CLIENT)
tests_unit_test_pipeline_LDADD = $(UNIT_CLIENT)
tests_unit_test_client_restart_SOURCES = tests/unit/test_client_restart.c $(CLIENT_RIG)
tests_unit_test_client_restart_LDADD = $(UNIT_CLIENT)
ECHO_BROKER = tests/unit/echo_broker.c tests/unit/echo_broker.h
tests_unit_test_client_handle_SOURCES = tests/unit/test_client_handle.c $(ECHO_BROKER)
tests_unit_test_client_handle_LDADD = $(UNIT_CLIENT)
tests_unit_test_client_rows_SOURCES = tests/unit/test_client_rows.c $(ECHO_BROKER)
tests_unit_test_client_rows_LDADD = $(UNIT_CLIENT)
tests_unit_test_client_tasks_SOURCES = tests/unit/test_client_tasks.c $(ECHO_BROKER)
tests_unit_test_client_tasks_LDADD = $(UNIT_CLIENT)
tests_unit_test_client_then_SOURCES = tests/unit/test_client_then.c $(ECHO_BROKER)
tests_unit_test_client_then_LDADD = $(UNIT_CLIENT)
tests_unit_test_client_session_LDADD = $(UNIT_CLIENT)
tests_unit_test_help_LDADD = $(UNIT_CLI)
tests_unit_test_retrying_LDADD = $(UNIT_CLI)
tests_unit_test_selectors_LDADD = $(UNIT_CLI)
tests_unit_test_rivals_SOURCES = tests/unit/test_rivals.c $(ECHO_BROKER)
tests_unit_test_rivals_LDADD = client/libcli.a $(UNIT_CLIENT) $(JANSSON_LIBS)
tests_unit_test_rivals_report_LDADD = client/libcli.a $(UNIT_CLIENT) $(JANSSON_LIBS)
tests_unit_test_tally_LDADD = $(UNIT_CLI)
tests_unit_test_summary_LDADD = client/libcli.a $(UNIT_CLIENT) $(JANSSON_LIBS)
tests_unit_test_advice_LDADD = $(UNIT_CLIENT)
tests_unit_test_rowfile_LDADD = $(UNIT_CLI)
tests_unit_test_failures_LDADD = client/libcli.a $(UNIT_CLIENT)
# The points are there in this test, whatever the build.
tests_unit_test_faultpoint_SOURCES = tests/unit/test_faultpoint.c common/base/faultpoint.c common/base/faultpoint.h
tests_unit_test_faultpoint_CPPFLAGS = $(AM_CPPFLAGS) -UDROVER_FAULTS -DDROVER_FAULTS
tests_unit_test_faultpoint_LDADD = $(UNIT_BASE)
tests_unit_test_foreach_opts_LDADD = $(UNIT_CLI)
tests_unit_test_json_LDADD = client/libcli.a $(UNIT_CLIENT) $(JANSSON_LIBS)
tests_unit_test_jobs_LDADD = $(UNIT_CLI)
tests_unit_test_plan_LDADD = client/libcli.a $(UNIT_CLIENT) $(JANSSON_LIBS)
tests_unit_test_private_LDADD = $(UNIT_CLIENT)
tests_unit_test_query_LDADD = $(UNIT_CLI)
tests_unit_test_ranges_LDADD = $(UNIT_MODEL)
tests_unit_test_shquote_LDADD = $(UNIT_MODEL)
tests_unit_test_source_LDADD = $(UNIT_CLI)
tests_unit_test_template_LDADD = $(UNIT_WIRE)
CHAN_RIG = tests/unit/chan_rig.c tests/unit/chan_rig.h
tests_unit_test_chan_SOURCES = tests/unit/test_chan.c $(CHAN_RIG)
tests_unit_test_chan_LDADD = $(UNIT_WIRE)
tests_unit_test_chan_line_SOURCES = tests/unit/test_chan_line.c $(CHAN_RIG)
tests_unit_test_chan_line_LDADD = $(UNIT_WIRE)
tests_unit_test_link_LDADD = $(UNIT_NET)
tests_unit_test_memory_out_SOURCES = tests/unit/test_memory_out.c tests/unit/state_rig.c tests/unit/state_rig.h
tests_unit_test_memory_out_LDADD = $(UNIT_STATE)
tests_unit_test_memory_out_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc \
	-Wl,--wrap=reallocarray -Wl,--wrap=strdup
tests_unit_test_loop_LDADD = $(UNIT_NET)
tests_unit_test_outcome_LDADD = $(UNIT_WIRE)
tests_unit_test_pace_LDADD = $(UNIT_WIRE)
tests_unit_test_rows_LDADD = $(UNIT_WIRE)
tests_unit_test_scan_LDADD = $(UNIT_WIRE)
tests_unit_test_url_LDADD = $(UNIT_NET)
tests_unit_test_vectors_LDADD = $(UNIT_WIRE)
tests_unit_test_wire_LDADD = $(UNIT_WIRE)
tests_unit_test_wire_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc

# The broker's turn over a fake link and clock, with model peers around it.
STORE_TEST = tests/sim/store_test.c tests/sim/store_test.h
SCHED_BED = broker/turn.c broker/turn.h $(STORE_TEST) \
	tests/sim/fake_clock.c tests/sim/fake_clock.h tests/sim/fake_link.c tests/sim/fake_link.h \
	tests/sim/fake_log.c tests/sim/fake_log.h \
	tests/unit/sched_harness.c tests/unit/sched_harness.h \
	tests/unit/sched_models.c tests/unit/sched_models.h
RESTART_RIG = $(SCHED_BED) tests/unit/restart_rig.c tests/unit/restart_rig.h
tests_unit_test_sched_after_SOURCES = tests/unit/test_sched_after.c $(SCHED_BED)
tests_unit_test_sched_after_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_ask_SOURCES = tests/unit/test_sched_ask.c $(SCHED_BED)
tests_unit_test_sched_ask_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_batch_SOURCES = tests/unit/test_sched_batch.c $(SCHED_BED)
tests_unit_test_sched_batch_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_degraded_SOURCES = tests/unit/test_sched_degraded.c $(RESTART_RIG)
tests_unit_test_sched_degraded_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_doubt_SOURCES = tests/unit/test_sched_doubt.c $(RESTART_RIG)
tests_unit_test_sched_doubt_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_hostile_SOURCES = tests/unit/test_sched_hostile.c $(SCHED_BED)
tests_unit_test_sched_hostile_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_kept_SOURCES = tests/unit/test_sched_kept.c $(SCHED_BED)
tests_unit_test_sched_kept_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_keys_SOURCES = tests/unit/test_sched_keys.c $(SCHED_BED)
tests_unit_test_sched_keys_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_large_SOURCES = tests/unit/test_sched_large.c $(SCHED_BED)
tests_unit_test_sched_large_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_loss_SOURCES = tests/unit/test_sched_loss.c $(SCHED_BED)
tests_unit_test_sched_loss_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_peek_SOURCES = tests/unit/test_sched_peek.c $(SCHED_BED)
tests_unit_test_sched_peek_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_wide_SOURCES = tests/unit/test_sched_wide.c $(SCHED_BED)
tests_unit_test_sched_wide_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_place_SOURCES = tests/unit/test_sched_place.c $(SCHED_BED)
tests_unit_test_sched_place_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_drain_SOURCES = tests/unit/test_sched_drain.c $(SCHED_BED)
tests_unit_test_sched_drain_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_flat_SOURCES = tests/unit/test_sched_flat.c $(SCHED_BED)
tests_unit_test_sched_flat_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_quota_SOURCES = tests/unit/test_sched_quota.c $(SCHED_BED)
tests_unit_test_sched_quota_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_readers_SOURCES = tests/unit/test_sched_readers.c $(SCHED_BED)
tests_unit_test_sched_readers_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_reopen_SOURCES = tests/unit/test_sched_reopen.c $(RESTART_RIG)
tests_unit_test_sched_reopen_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_replay_SOURCES = tests/unit/test_sched_replay.c $(SCHED_BED)
tests_unit_test_sched_replay_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_order_SOURCES = tests/unit/test_sched_order.c $(SCHED_BED)
tests_unit_test_sched_order_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_retry_SOURCES = tests/unit/test_sched_retry.c $(SCHED_BED)
tests_unit_test_sched_retry_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_restart_SOURCES = tests/unit/test_sched_restart.c $(RESTART_RIG)
tests_unit_test_sched_restart_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_went_back_SOURCES = tests/unit/test_sched_went_back.c $(RESTART_RIG)
tests_unit_test_sched_went_back_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_session_SOURCES = tests/unit/test_sched_session.c $(SCHED_BED)
tests_unit_test_sched_session_LDADD = $(UNIT_BROKER)
tests_unit_test_sched_set_SOURCES = tests/unit/test_sched_set.c $(RESTART_RIG)
tests_unit_test_sched_set_LDADD = $(UNIT_BROKER)
tests_unit_test_store_turn_SOURCES = tests/unit/test_store_turn.c $(SCHED_BED)
tests_unit_test_store_turn_LDADD = $(UNIT_BROKER)
tests_unit_test_turn_SOURCES = tests/unit/test_turn.c $(SCHED_BED)
tests_unit_test_turn_LDADD = $(UNIT_BROKER)
STATE_RIG = tests/unit/state_rig.c tests/unit/state_rig.h \
	tests/sim/fake_log.c tests/sim/fake_log.h
BAD_DISK = tests/unit/bad_disk.c tests/unit/bad_disk.h
tests_unit_test_statedb_SOURCES = tests/unit/test_statedb.c $(STATE_RIG)
tests_unit_test_statedb_LDADD = $(UNIT_STATE)
tests_unit_test_store_sqlite_SOURCES = tests/unit/test_store_sqlite.c $(STATE_RIG) $(BAD_DISK)
tests_unit_test_store_sqlite_LDADD = $(UNIT_STATE)
tests_unit_test_state_damage_SOURCES = tests/unit/test_state_damage.c $(STATE_RIG) $(BAD_DISK)
tests_unit_test_state_damage_LDADD = $(UNIT_STATE)
tests_unit_test_state_errors_SOURCES = tests/unit/test_state_errors.c $(STATE_RIG) $(BAD_DISK)
tests_unit_test_state_errors_LDADD = $(UNIT_STATE)
tests_unit_test_state_power_SOURCES = tests/unit/test_state_power.c $(STATE_RIG) $(BAD_DISK)
tests_unit_test_state_power_LDADD = $(UNIT_STATE)
EXEC_RIG = tests/unit/exec_rig.c tests/unit/exec_rig.h
tests_unit_test_cgroup_SOURCES = tests/unit/test_cgroup.c $(EXEC_RIG)
tests_unit_test_cgroup_LDADD = $(UNIT_EXEC)
tests_unit_test_exec_cgroup_SOURCES = tests/unit/test_exec_cgroup.c $(EXEC_RIG)
tests_unit_test_exec_cgroup_LDADD = $(UNIT_EXEC)
tests_unit_test_exec_command_SOURCES = tests/unit/test_exec_command.c $(EXEC_RIG)
tests_unit_test_exec_command_LDADD = $(UNIT_EXEC)
tests_unit_test_exec_end_SOURCES = tests/unit/test_exec_end.c $(EXEC_RIG)
tests_unit_test_exec_end_LDADD = $(UNIT_EXEC)
tests_unit_test_exec_framing_LDADD = $(UNIT_EXEC)
tests_unit_test_exec_function_SOURCES = tests/unit/test_exec_function.c $(EXEC_RIG)
tests_unit_test_exec_function_LDADD = $(UNIT_EXEC)
tests_unit_test_exec_output_SOURCES = tests/unit/test_exec_output.c $(EXEC_RIG)
tests_unit_test_exec_output_LDADD = $(UNIT_EXEC)
tests_unit_test_exec_parts_LDADD = $(UNIT_EXEC)
tests_unit_test_lease_LDADD = $(UNIT_EXEC)
tests_unit_test_launcher_SOURCES = tests/unit/test_launcher.c $(EXEC_RIG)
tests_unit_test_launcher_LDADD = $(UNIT_EXEC)

# Programs that a simulation or a fuzz smoke run consists of: tests/sim/*, tests/fuzz/*.
program_tests = \
	tests/sim/sim \
	tests/fuzz/fuzz_sched \
	tests/fuzz/fuzz_chan \
	tests/fuzz/fuzz_outcome \
	tests/fuzz/fuzz_rows \
	tests/fuzz/fuzz_template \
	tests/fuzz/fuzz_wire

FUZZ_SMOKE = tests/fuzz/fuzz.h tests/fuzz/smoke.c
FUZZ_WIRE = common/libwire.la common/libmodel.la common/libbase.la
tests_fuzz_fuzz_chan_SOURCES = tests/fuzz/fuzz_chan.c $(FUZZ_SMOKE)
tests_fuzz_fuzz_chan_LDADD = $(FUZZ_WIRE)
tests_fuzz_fuzz_outcome_SOURCES = tests/fuzz/fuzz_outcome.c $(FUZZ_SMOKE)
tests_fuzz_fuzz_outcome_LDADD = $(FUZZ_WIRE)
tests_fuzz_fuzz_rows_SOURCES = tests/fuzz/fuzz_rows.c $(FUZZ_SMOKE)
tests_fuzz_fuzz_rows_LDADD = $(FUZZ_WIRE)
tests_fuzz_fuzz_sched_SOURCES = tests/fuzz/fuzz_sched.c $(FUZZ_SMOKE)
tests_fuzz_fuzz_sched_LDADD = broker/libbrokercore.a $(FUZZ_WIRE) $(XXHASH_LIBS)
tests_fuzz_fuzz_template_SOURCES = tests/fuzz/fuzz_template.c $(FUZZ_SMOKE)
tests_fuzz_fuzz_template_LDADD = $(FUZZ_WIRE)
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz_wire.c $(FUZZ_SMOKE)
tests_fuzz_fuzz_wire_LDADD = $(FUZZ_WIRE)

tests_sim_sim_SOURCES = broker/turn.c broker/turn.h \
	tests/sim/bench.c tests/sim/bench.h \
	tests/sim/careless.c tests/sim/careless.h \
	tests/sim/counts.h \
	tests/sim/cover.c tests/sim/cover.h \
	tests/sim/events.c tests/sim/events.h \
	tests/sim/exec.c tests/sim/exec.h \
	tests/sim/fake_clock.c tests/sim/fake_clock.h \
	tests/sim/fake_link.c tests/sim/fake_link.h \
	tests/sim/fake_log.c tests/sim/fake_log.h \
	tests/sim/fate.c tests/sim/fate.h \
	tests/sim/faults.c tests/sim/faults.h \
	tests/sim/host.c tests/sim/host.h \
	tests/sim/inbox.c tests/sim/inbox.h \
	tests/sim/ledger.c tests/sim/ledger.h \
	tests/sim/turns.c tests/sim/turns.h \
	tests/sim/main.c \
	tests/sim/moments.c tests/sim/moments.h \
	tests/sim/net.c tests/sim/net.h \
	tests/sim/roll.c tests/sim/roll.h \
	tests/sim/sim.c tests/sim/sim.h \
	tests/sim/states.h tests/sim/states_broker.c tests/sim/states_client.c \
	tests/sim/states_worker.c \
	tests/sim/user.c tests/sim/user.h tests/sim/user_asks.c tests/sim/user_inner.h \
	tests/sim/user_jobs.c tests/sim/user_plan.c tests/sim/user_told.c \
	$(STORE_TEST)
SIM_PARTS = tests/sim/part_broker.o tests/sim/part_worker.o tests/sim/part_client.o
tests_sim_sim_LDADD = $(SIM_PARTS) common/libwire.la common/libmodel.la common/libbase.la \
	$(XXHASH_LIBS)

# The three cores are not made to live in one process: each is joined to one object that shows only
# its face, so that the names within do not meet.
OBJCOPY = objcopy
SIM_CLIENT = core_init core_fini core_deadline core_idle core_message core_tick core_next core_open \
	core_attach core_ask core_drop core_forget core_flush core_reply_record batch_add_keyed batch_add_spec \
	batch_add batch_close batch_input batch_room session_bye session_connected session_next \
	session_over session_ping session_post session_reconnect session_state session_token \
	session_unsent store_init store_fini
tests/sim/part_broker.o: broker/libbrokercore.a broker/libstore.a
	@$(MKDIR_P) tests/sim
	$(AM_V_GEN)$(LD) -r -o $@.all --whole-archive broker/libbrokercore.a broker/libstore.a && \
	$(OBJCOPY) -w --keep-global-symbol='sched_*' --keep-global-symbol='effects_*' \
	    --keep-global-symbol='store_*' $@.all $@ && rm $@.all
tests/sim/part_worker.o: worker/libworkercore.a
	@$(MKDIR_P) tests/sim
	$(AM_V_GEN)$(LD) -r -o $@.all --whole-archive worker/libworkercore.a && \
	$(OBJCOPY) -w --keep-global-symbol='agent_*' $@.all $@ && rm $@.all
tests/sim/part_client.o: client/libclient.la Makefile
	@$(MKDIR_P) tests/sim
	$(AM_V_GEN)$(LD) -r -o $@.all $(SIM_CLIENT:%=-u %) client/.libs/libclient.a && \
	$(OBJCOPY) $(SIM_CLIENT:%=--keep-global-symbol=%) $@.all $@ && rm $@.all
CLEANFILES += $(SIM_PARTS)

check_tests = \
	tests/check/cxx \
	tests/check/headers \
	tests/check/install \
	tests/check/layers \
	tests/check/listed \
	tests/check/manual \
	tests/check/sizes \
	tests/check/symbols \
	tests/check/time

integ_tests = \
	tests/integ/hosts.bats \
	tests/integ/worker_py.bats \
	tests/integ/flow.bats \
	tests/integ/worker_life.bats \
	tests/integ/restart.bats \
	tests/integ/foreach_basic.bats \
	tests/integ/again.bats \
	tests/integ/detached.bats \
	tests/integ/foreach_vs_parallel.bats \
	tests/integ/examples.bats \
	tests/integ/run.bats \
	tests/integ/stopped.bats \
	tests/integ/output.bats \
	tests/integ/pipeline.bats \
	tests/integ/after.bats \
	tests/integ/at_rest.bats \
	tests/integ/bad_disk.bats \
	tests/integ/bad_input.bats \
	tests/integ/containment.bats \
	tests/integ/environment.bats \
	tests/integ/hostile.bats \
	tests/integ/invoke.bats \
	tests/integ/library.bats \
	tests/integ/modules.bats \
	tests/integ/ordered.bats \
	tests/integ/poison.bats \
	tests/integ/private.bats \
	tests/integ/race.bats \
	tests/integ/readme.bats \
	tests/integ/slow_line.bats \
	tests/integ/state.bats \
	tests/integ/weird_names.bats \
	tests/integ/worth.bats

# Programs that tests start, without being tests.
test_helpers = tests/integ/futures
tests_integ_futures_SOURCES = tests/integ/futures.c
tests_integ_futures_LDADD = client/libdrover.la
tests_campaign_d_peers_peers_SOURCES = \
	tests/campaign.d/peers/crowd.c tests/campaign.d/peers/crowd.h \
	tests/campaign.d/peers/deaf.c \
	tests/campaign.d/peers/flood.c \
	tests/campaign.d/peers/hold.c \
	tests/campaign.d/peers/peer.c tests/campaign.d/peers/peer.h \
	tests/campaign.d/peers/peers.c \
	tests/campaign.d/peers/ping.c \
	tests/campaign.d/peers/roles.h \
	tests/campaign.d/peers/stubborn.c \
	tests/campaign.d/peers/zombie.c
tests_campaign_d_peers_peers_CFLAGS = $(AM_CFLAGS) $(CZMQ_CFLAGS)
tests_campaign_d_peers_peers_LDADD = common/libwire.la common/libmodel.la common/libbase.la $(CZMQ_LIBS) $(ZMQ_LIBS)
if HAVE_CZMQ
test_helpers += tests/campaign.d/peers/peers
endif

# Preloaded into programs; -rpath makes libtool build something that can be.
check_LTLIBRARIES = tests/integ/disk_shim.la tests/campaign.d/clock_shim.la
tests_integ_disk_shim_la_SOURCES = tests/integ/disk_shim.c
tests_integ_disk_shim_la_LDFLAGS = -module -avoid-version -rpath /nowhere
tests_campaign_d_clock_shim_la_SOURCES = tests/campaign.d/clock_shim.c
tests_campaign_d_clock_shim_la_LDFLAGS = -module -avoid-version -rpath /nowhere

# those that take long come first, so that none is waited for alone at the end
TESTS = $(program_tests) $(integ_tests) $(check_tests)
check_PROGRAMS += $(program_tests) $(test_helpers)
if HAVE_CMOCKA
TESTS += $(unit_tests)
check_PROGRAMS += $(unit_tests)
cmocka_word = yes
else
cmocka_word = no
endif

TEST_EXTENSIONS = .bats
LOG_DRIVER = $(top_srcdir)/tests/driver
BATS_LOG_DRIVER = $(top_srcdir)/tests/driver
BATS_LOG_COMPILER = $(BATS)
AM_BATS_LOG_FLAGS = --tap

# The programs find each other, and tests find them, in the build directory.
AM_TESTS_ENVIRONMENT = \
	DROVER_BINDIR='$(abs_top_builddir)'; export DROVER_BINDIR; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	CC='$(CC)'; export CC; CXX='$(CXX)'; export CXX; \
	DEPS_CFLAGS='$(ZMQ_CFLAGS) $(MSGPACK_CFLAGS)'; export DEPS_CFLAGS; \
	DROVER_SANITIZE='$(sanitize_word)'; export DROVER_SANITIZE;

if SANITIZE
sanitize_word = yes
else
sanitize_word = no
endif

EXTRA_DIST += $(check_tests) $(integ_tests) \
	tests/campaign \
	tests/integ/rude.c \
	tests/sim/mutate \
	tests/sim/mutants/01-acknowledge-before-commit.patch \
	tests/sim/mutants/02-accept-a-fenced-result.patch \
	tests/sim/mutants/03-forget-one-range-at-a-loss.patch \
	tests/sim/mutants/04-run-again-on-a-mere-disconnect.patch \
	tests/sim/mutants/05-count-a-duplicate-result-twice.patch \
	tests/sim/mutants/06-skip-one-resend.patch \
	tests/sim/mutants/07-never-take-back.patch \
	tests/sim/mutants/08-exceed-jobs-after-a-loss.patch \
	tests/sim/mutants/09-lose-a-cancel-at-restart.patch \
	tests/sim/mutants/10-judge-a-worker-before-draining.patch \
	tests/campaign.d/bad_module.c \
	tests/campaign.d/check.py \
	tests/campaign.d/lib.bash \
	tests/campaign.d/line.py \
	tests/campaign.d/mutate.py \
	tests/campaign.d/relay.py \
	tests/campaign.d/slope.py \
	tests/campaign.d/T1.bash \
	tests/campaign.d/T2.bash \
	tests/campaign.d/T2.points \
	tests/campaign.d/T3.bash \
	tests/campaign.d/T4.bash \
	tests/campaign.d/T5.bash \
	tests/campaign.d/T6.bash \
	tests/campaign.d/T7.bash \
	tests/campaign.d/T8.bash \
	tests/campaign.d/T9.bash \
	tests/campaign.d/T10.bash \
	tests/campaign.d/T11.bash \
	tests/campaign.d/T12.bash \
	tests/campaign.d/T14.bash \
	tests/campaign.d/T15.bash \
	tests/campaign.d/T16.bash \
	tests/campaign.d/T17.bash \
	tests/campaign.d/T21.bash \
	tests/campaign.d/T24.bash \
	tests/campaign.d/T25.bash \
	tests/campaign.d/T26.bash \
	tests/campaign.d/T27.bash \
	tests/campaign.d/T28.bash \
	tests/campaign.d/T29.bash \
	tests/campaign.d/T31.bash \
	tests/campaign.d/T32.bash \
	tests/check/cppcheck.txt \
	tests/check/lib.sh \
	tests/driver \
	tests/fuzz/corpus \
	tests/fuzz/run \
	tests/integ/hostile.py \
	tests/integ/lib.bash \
	tests/lsan.supp \
	tests/marked.bash \
	tests/run \
	tests/slow_line.py \
	tests/vectors

# The tests by name, for tests/run; the sources that the build knows, for tests/check/listed.
.PHONY: print-tests print-sources print-cmocka
print-tests:
	@for name in $(TESTS); do echo "$$name"; done
print-sources:
	@for name in $(DIST_SOURCES) $(EXTRA_DIST) $(include_HEADERS) $(dist_man_MANS); do \
	    echo "$$name"; done
print-cmocka:
	@echo $(cmocka_word)

CLEANFILES += check-build.log check.log
