# --enable-faults: programs that end at a labelled point when they are told to. For tests only.

AC_DEFUN([DROVER_FAULTS], [
  AC_ARG_ENABLE([faults],
    [AS_HELP_STRING([--enable-faults], [build programs that DROVER_FAULT=name:n ends at a labelled point (for tests)])],
    [], [enable_faults=no])
  FAULT_CPPFLAGS=
  AS_IF([test "x$enable_faults" != xno], [FAULT_CPPFLAGS=-DDROVER_FAULTS])
  AC_SUBST([FAULT_CPPFLAGS])
  AM_CONDITIONAL([FAULTS], [test "x$enable_faults" != xno])
])
