/* cost FILE PROGRAM [ARG…]: run the program with our own streams, and write its cost to FILE:
 *
 * WALL_SECONDS CPU_SECONDS PEAK_MIB
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  extern char **environ;
  struct rusage usage;
  pid_t child;
  int status;
  if (argc < 3) {
    fputs("usage: cost FILE PROGRAM [ARG…]\n", stderr);
    return 2;
  }
  double start = now();
  if (posix_spawnp(&child, argv[2], NULL, NULL, argv + 2, environ) != 0) {
    perror(argv[2]);
    return 1;
  }
  if (wait4(child, &status, 0, &usage) != child || status != 0) {
    fprintf(stderr, "%s: did not end with status 0\n", argv[2]);
    return 1;
  }
  double wall = now() - start;
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  FILE *out = fopen(argv[1], "w");
  if (!out) {
    perror(argv[1]);
    return 1;
  }
  fprintf(out, "%.4f %.4f %.2f\n", wall, cpu, (double)usage.ru_maxrss / 1024);
  return fclose(out) == 0 ? 0 : 1;
}
