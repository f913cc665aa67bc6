# Which warnings does this compiler know? Sets WARN_CFLAGS.

AC_DEFUN([DROVER_WARNINGS], [
  WARN_CFLAGS=
  m4_foreach_w([drover_flag], [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                               -Wold-style-definition -Wvla], [
    AS_VAR_PUSHDEF([drover_cv], [drover_cv_cflag_]drover_flag)
    AC_CACHE_CHECK([whether $CC takes ]drover_flag, [drover_cv], [
      drover_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS -Werror ]drover_flag["
      AC_COMPILE_IFELSE([AC_LANG_SOURCE([[int drover_dummy;]])],
        [AS_VAR_SET([drover_cv], [yes])], [AS_VAR_SET([drover_cv], [no])])
      CFLAGS=$drover_save_CFLAGS
    ])
    AS_VAR_IF([drover_cv], [yes], [WARN_CFLAGS="$WARN_CFLAGS ]drover_flag["])
    AS_VAR_POPDEF([drover_cv])
  ])
  AC_SUBST([WARN_CFLAGS])
])
