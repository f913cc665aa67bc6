# Is this a Linux that has what the worker's containment and the loops stand on?

AC_DEFUN([DROVER_PLATFORM], [
  AC_CACHE_CHECK([for Linux with signalfd, eventfd and subreapers], [drover_cv_linux], [
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
      #include <sys/eventfd.h>
      #include <sys/prctl.h>
      #include <sys/signalfd.h>
      int drover_wanted = PR_SET_CHILD_SUBREAPER + SFD_CLOEXEC + EFD_CLOEXEC;
    ]])], [drover_cv_linux=yes], [drover_cv_linux=no])
  ])
  AS_IF([test "x$drover_cv_linux" = xno],
    [AC_MSG_ERROR([drover needs Linux 3.4 or later with the C library's signalfd, eventfd and prctl headers])])
])
