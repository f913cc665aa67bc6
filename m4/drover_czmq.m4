# Is czmq here? A tool of tests/campaign is made with it; no program that is installed is.

AC_DEFUN([DROVER_CZMQ], [
  PKG_CHECK_MODULES([CZMQ], [libczmq >= 4.2], [have_czmq=yes], [have_czmq=no])
  AM_CONDITIONAL([HAVE_CZMQ], [test "x$have_czmq" = xyes])
  AS_IF([test "x$have_czmq" = xno],
    [AC_MSG_NOTICE([no czmq: tests/campaign leaves tests of load out (Debian: libczmq-dev)])])
])
