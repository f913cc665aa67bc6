# Which libraries does drover stand on? All are required; the message names the Debian package.

# DROVER_DEP(variable prefix, pkg-config module with version, Debian package)
AC_DEFUN([DROVER_DEP], [
  PKG_CHECK_MODULES([$1], [$2], [],
    [AC_MSG_ERROR([$2 is missing or too old. On Debian: apt-get install $3 (or run ./quickstart)])])
])

AC_DEFUN([DROVER_DEPS], [
  DROVER_DEP([ZMQ], [libzmq >= 4.3], [libzmq3-dev])
  DROVER_DEP([MSGPACK], [msgpack >= 3.3], [libmsgpack-dev])
  DROVER_DEP([JANSSON], [jansson >= 2.13], [libjansson-dev])
  DROVER_DEP([SQLITE], [sqlite3 >= 3.37], [libsqlite3-dev])
  DROVER_DEP([XXHASH], [libxxhash >= 0.8], [libxxhash-dev])
  AC_CHECK_HEADER([uthash.h], [],
    [AC_MSG_ERROR([uthash.h is missing. On Debian: apt-get install uthash-dev (or run ./quickstart)])])
])
