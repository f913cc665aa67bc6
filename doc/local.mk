# doc/: manual pages are installed, the rest is for reading.

dist_man_MANS += \
	doc/drover-broker.8 \
	doc/drover-cancel.1 \
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
	doc/drover-results.1 \
	doc/drover-retry.1 \
	doc/drover-run.1 \
	doc/drover-status.1 \
	doc/drover-submit.1 \
	doc/drover-version.1 \
	doc/drover-wait.1 \
	doc/drover-worker.8 \
	doc/drover.1

EXTRA_DIST += \
	doc/CAMPAIGN.md \
	doc/DESIGN.md \
	doc/JSON.md \
	doc/PROTOCOL.md \
	doc/STATE.md
