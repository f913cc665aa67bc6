# What is here to test with? Nothing of it is needed to build or to install.

AC_DEFUN([DROVER_TESTTOOLS], [
  PKG_CHECK_MODULES([CMOCKA], [cmocka >= 1.1], [have_cmocka=yes], [have_cmocka=no])
  AM_CONDITIONAL([HAVE_CMOCKA], [test "x$have_cmocka" = xyes])
  AC_ARG_VAR([BATS], [the Bash Automated Testing System, which runs the integration tests])
  AC_CHECK_PROGS([BATS], [bats], [bats])
  AC_ARG_VAR([CXX], [a C++ compiler, to try the public header in C++])
  AC_CHECK_PROGS([CXX], [g++ c++ clang++], [c++])
])

AC_DEFUN([DROVER_SUMMARY], [
  AS_IF([test "x$have_cmocka" = xno],
    [AC_MSG_NOTICE([no cmocka: make check leaves the unit tests out (Debian: libcmocka-dev)])])
  AC_MSG_NOTICE([$PACKAGE_NAME $PACKAGE_VERSION: warnings are errors: $enable_werror, sanitizers: $enable_sanitize])
])
