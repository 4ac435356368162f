/* The gate's write budget: a limit of changes per time, counted over all processes of this machine that share the
 * file.
 *
 * The file holds one 64-bit moment, in microseconds since the machine started: when the next change may leave. A
 * change takes this moment, and moves it on by the time of one change, in one atomic step: there is no lock, and a
 * process that dies loses nothing. With an emulator's clock, the moments are on that clock.
 *
 * After a pause the moment is in the past, and changes leave at once until it has caught up: a hundredth of the limit
 * at most. The interval is so much longer that the limit holds in any span of time.
 */
#include "gate_internal.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MICROSECONDS 1000000
#define HORIZON (60LL * MICROSECONDS) /* a moment more than a minute ahead is not given */
#define MOST_AT_ONCE 20               /* most changes of one $batch */
#define SAVED 0.01                    /* part of the limit that may leave at once after a pause */

struct budget {
  _Atomic int64_t *next; /* mapped from the file: when the next change may leave */
  int64_t interval;      /* microseconds from one change to the next */
  int64_t saved;         /* most microseconds that the moment in the file is in the past */
  const struct clock *clock;
};

static int64_t budget_now(const struct budget *budget) {
  struct timespec time;
  clock_gettime(CLOCK_BOOTTIME, &time);
  int64_t now = (int64_t)time.tv_sec * MICROSECONDS + time.tv_nsec / 1000;
  return budget->clock ? now + (int64_t)(sys_clock_offset(budget->clock) * MICROSECONDS) : now;
}

/* Is next too far ahead to have been given? Then the file is from before the machine or its emulator restarted. */
static int is_stale_budget_moment(const struct budget *budget, int64_t next, int64_t now) {
  return next > now + HORIZON + (MOST_AT_ONCE + 1) * budget->interval;
}

/* Take the first free moment for count changes; 0 when it is more than a minute ahead. */
static int64_t take_budget_moment(struct budget *budget, int64_t count, int64_t now) {
  int64_t next = atomic_load(budget->next), moment, after;
  do {
    int64_t from = is_stale_budget_moment(budget, next, now) ? now : next;
    if (from > now + HORIZON) return 0;
    if (from < now - budget->saved) from = now - budget->saved;
    moment = from > now ? from : now;
    after = from + count * budget->interval;
  } while (!atomic_compare_exchange_weak(budget->next, &next, after));
  return moment;
}

static int64_t count_budget_changes(const struct request *request) {
  int64_t count = 0;
  for (size_t i = 0; i < request->call_count; i++) count += request->calls[i].changes;
  return count ? count : 1;
}

double gate_budget_wait(struct budget *budget, struct request *request) {
  int64_t now = budget_now(budget);
  if (request->moment && is_stale_budget_moment(budget, request->moment, now)) request->moment = 0;
  if (!request->moment) request->moment = take_budget_moment(budget, count_budget_changes(request), now);
  if (!request->moment) return 1;
  double wait = (double)(request->moment - now) / MICROSECONDS;
  if (wait <= 0) request->moment = 0;
  return wait > 0 ? wait : 0;
}

double gate_budget_rate(const struct budget *budget) {
  return (double)MICROSECONDS / (double)budget->interval;
}

double gate_budget_backlog(const struct budget *budget) {
  int64_t now = budget_now(budget), next = atomic_load(budget->next);
  return next <= now || is_stale_budget_moment(budget, next, now) ? 0 : (double)(next - now) / MICROSECONDS;
}

struct budget *gate_budget_open(lua_State *L, const char *path, double count, double seconds,
                                const struct clock *clock) {
  int fd = sys_files_open_private(L, path, O_RDWR | O_NOFOLLOW | O_CREAT, 077);
  if (fd < 0) return NULL;
  _Atomic int64_t *next;
  int code = sys_counter_map(fd, 1, &next);
  struct budget *budget = code ? NULL : calloc(1, sizeof *budget);
  if (budget) {
    int64_t at_once = (int64_t)(count * SAVED);
    int64_t interval = (int64_t)(seconds * MICROSECONDS / (count - (double)at_once));
    *budget = (struct budget){next, interval, at_once * interval, clock};
    return budget;
  }
  sys_counter_unmap(next);
  lib_fail(L, "cannot use '%s' for the write budget: %s", path, strerror(code ? code : ENOMEM));
  return NULL;
}

void gate_budget_close(struct budget *budget) {
  if (!budget) return;
  sys_counter_unmap(budget->next);
  free(budget);
}
