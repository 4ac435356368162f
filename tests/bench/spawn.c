/* spawn RUNS BASELINE -- PROGRAM [ARG…]: start the two programs in turn, RUNS times each after three warm-ups. Prints
 * for both the median wall time in milliseconds and the largest resident size in MiB:
 *
 * BASELINE_MS PROGRAM_MS BASELINE_MIB PROGRAM_MIB
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define WARM_UPS 3
#define MAX_RUNS 1000

struct measure {
  double ms[MAX_RUNS];
  long kib;
};

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void time_one_run(char **arguments, double *ms, long *kib) {
  char *none[] = {NULL};
  struct rusage usage;
  pid_t child;
  int status;
  double start = now_ms();
  if (posix_spawn(&child, arguments[0], NULL, NULL, arguments, none) != 0) {
    perror(arguments[0]);
    exit(1);
  }
  if (wait4(child, &status, 0, &usage) != child || status != 0) {
    fprintf(stderr, "%s: did not end with status 0\n", arguments[0]);
    exit(1);
  }
  *ms = now_ms() - start;
  if (usage.ru_maxrss > *kib) *kib = usage.ru_maxrss;
}

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static double median(struct measure *measure, int runs) {
  qsort(measure->ms, (size_t)runs, sizeof measure->ms[0], compare);
  return measure->ms[runs / 2];
}

int main(int argc, char **argv) {
  static struct measure baseline, program;
  int runs = argc > 4 ? atoi(argv[1]) : 0;
  if (runs < 1 || runs > MAX_RUNS || strcmp(argv[3], "--") != 0) {
    fputs("usage: spawn RUNS BASELINE -- PROGRAM [ARG…]\n", stderr);
    return 2;
  }
  char *alone[] = {argv[2], NULL};
  for (int i = -WARM_UPS; i < runs; i++) {
    int slot = i < 0 ? 0 : i;
    time_one_run(alone, &baseline.ms[slot], &baseline.kib);
    time_one_run(argv + 4, &program.ms[slot], &program.kib);
  }
  printf("%.3f %.3f %.1f %.1f\n", median(&baseline, runs), median(&program, runs), (double)baseline.kib / 1024,
         (double)program.kib / 1024);
  return 0;
}
