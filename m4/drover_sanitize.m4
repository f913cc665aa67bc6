# --enable-sanitize: build and test under AddressSanitizer and UndefinedBehaviorSanitizer.
#
# DROVER_SANITIZE_EARLY comes before AC_PROG_CC, which would choose -O2: reports read better at -O1.

AC_DEFUN([DROVER_SANITIZE_EARLY], [
  AC_ARG_ENABLE([sanitize],
    [AS_HELP_STRING([--enable-sanitize], [build with AddressSanitizer and UndefinedBehaviorSanitizer])],
    [], [enable_sanitize=no])
  AS_IF([test "x$enable_sanitize" != xno], [: "${CFLAGS=-g -O1}"], [: "${CFLAGS=-g -O2}"])
])

AC_DEFUN([DROVER_SANITIZE], [
  SANITIZE_FLAGS=
  AS_IF([test "x$enable_sanitize" != xno], [
    SANITIZE_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
    AC_CACHE_CHECK([whether programs link with $SANITIZE_FLAGS], [drover_cv_sanitize], [
      drover_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS $SANITIZE_FLAGS"
      AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [drover_cv_sanitize=yes], [drover_cv_sanitize=no])
      CFLAGS=$drover_save_CFLAGS
    ])
    AS_IF([test "x$drover_cv_sanitize" = xno],
      [AC_MSG_ERROR([--enable-sanitize: this compiler has no sanitizer libraries])])
  ])
  AC_SUBST([SANITIZE_FLAGS])
  AM_CONDITIONAL([SANITIZE], [test "x$enable_sanitize" != xno])
])
