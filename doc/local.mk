# doc/: manual pages are installed, the rest is for reading.
#
# Each function of the library has its name in the NAME of one page; all other names of a page become
# links to it when it is installed.

dist_man_MANS += \
	doc/drover-advise.1 \
	doc/drover-broker.8 \
	doc/drover-cancel.1 \
	doc/drover-fallback.1 \
	doc/drover-foreach.1 \
	doc/drover-forget.1 \
	doc/drover-help.1 \
	doc/drover-info.1 \
	doc/drover-invoke.1 \
	doc/drover-list.1 \
	doc/drover-module.1 \
	doc/drover-module.7 \
	doc/drover-ping.1 \
	doc/drover-protocol.7 \
	doc/drover-race.1 \
	doc/drover-results.1 \
	doc/drover-logs.1 \
	doc/drover-retry.1 \
	doc/drover-set.1 \
	doc/drover-run.1 \
	doc/drover-status.1 \
	doc/drover-submit.1 \
	doc/drover-version.1 \
	doc/drover-wait.1 \
	doc/drover-worker.8 \
	doc/drover.1

library_pages = \
	doc/drover.3 \
	doc/drover_advise.3 \
	doc/drover_batch_open.3 \
	doc/drover_cancel_source.3 \
	doc/drover_foreach.3 \
	doc/drover_next.3 \
	doc/drover_open.3 \
	doc/drover_request.3 \
	doc/drover_spec.3 \
	doc/drover_task.3 \
	doc/drover_then.3 \
	doc/drover_when_all.3
dist_man_MANS += $(library_pages)

page_names = sed -n 's/^\.Nm \([a-z_]*\).*/\1.3/p'
install-data-hook:
	@cd $(srcdir) && for page in $(library_pages); do \
	    for name in `$(page_names) $$page`; do \
	        test doc/$$name = $$page || echo ".so man3/$${page#doc/}" >"$(DESTDIR)$(man3dir)/$$name"; \
	    done; \
	done
uninstall-hook:
	@cd $(srcdir) && for page in $(library_pages); do \
	    for name in `$(page_names) $$page`; do rm -f "$(DESTDIR)$(man3dir)/$$name"; done; \
	done

EXTRA_DIST += \
	doc/CAMPAIGN.md \
	doc/DESIGN.md \
	doc/EXAMPLES.md \
	doc/JSON.md \
	doc/PROTOCOL.md \
	doc/STATE.md
