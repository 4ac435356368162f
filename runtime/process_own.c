/* The programs that the host itself starts. A script's programs are named in the profile and pass the gate. The list
 * is in a file of its own, because the tests link another list. */
#include "process.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static const char *const own_programs[] = {
    "/usr/bin/secret-tool", "/usr/local/bin/secret-tool", /* the person's keyring */
    "/usr/bin/xdg-open",                                  /* the browser of the person's desktop */
    "/usr/bin/less",        "/usr/bin/more",              /* the pager; see process.page */
};

/* Is it the running program? --emulator starts it again. */
static int is_running_program(const char *path) {
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  return length > 0 && (size_t)length == strlen(path) && memcmp(self, path, (size_t)length) == 0;
}

int process_is_own(const char *path) {
  for (size_t i = 0; i < sizeof own_programs / sizeof *own_programs; i++)
    if (strcmp(own_programs[i], path) == 0) return 1;
  return is_running_program(path);
}
