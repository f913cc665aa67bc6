# common/: what broker, worker and client share. libtool libraries, because the shared libdrover
# takes them in too.

noinst_LTLIBRARIES += \
	common/libbase.la \
	common/libmodel.la \
	common/libwire.la \
	common/libnet.la

common_libbase_la_SOURCES = \
	common/base/blob.c \
	common/base/blob.h \
	common/base/buf.c \
	common/base/buf.h \
	common/base/bytes.h \
	common/base/clock.c \
	common/base/clock.h \
	common/base/cores.c \
	common/base/cores.h \
	common/base/err.c \
	common/base/err.h \
	common/base/faultpoint.h \
	common/base/hash.h \
	common/base/line.c \
	common/base/line.h \
	common/base/log.c \
	common/base/log.h \
	common/base/mem.c \
	common/base/mem.h \
	common/base/units.c \
	common/base/units.h \
	common/base/userdir.c \
	common/base/userdir.h

if FAULTS
common_libbase_la_SOURCES += common/base/faultpoint.c
endif

common_libmodel_la_SOURCES = \
	common/model/directexec.c \
	common/model/directexec.h \
	common/model/ranges.c \
	common/model/ranges.h \
	common/model/shquote.c \
	common/model/shquote.h \
	common/model/template.c \
	common/model/template.h \
	common/model/template_compile.c

common_libwire_la_SOURCES = \
	common/wire/chan.c \
	common/wire/chan.h \
	common/wire/content.c \
	common/wire/content.h \
	common/wire/kinds.c \
	common/wire/kinds.h \
	common/wire/outcome.c \
	common/wire/outcome.h \
	common/wire/pace.c \
	common/wire/pace.h \
	common/wire/pack.h \
	common/wire/rows.c \
	common/wire/rows.h \
	common/wire/scan.c \
	common/wire/scan.h \
	common/wire/template_wire.c \
	common/wire/template_wire.h \
	common/wire/trail.c \
	common/wire/trail.h \
	common/wire/wire.c \
	common/wire/wire.def \
	common/wire/wire.h \
	common/wire/wire_show.c
common_libwire_la_LIBADD = $(MSGPACK_LIBS)

common_libnet_la_SOURCES = \
	common/net/insecure.c \
	common/net/insecure.h \
	common/net/link.c \
	common/net/link.h \
	common/net/listen.c \
	common/net/listen.h \
	common/net/loop.c \
	common/net/loop.h \
	common/net/url.c \
	common/net/url.h
common_libnet_la_LIBADD = $(ZMQ_LIBS)
