/* The gate's write budget: a limit of changes in a span of seconds, counted over all processes of this machine
 * that share the file.
 *
 * The file holds one 64-bit moment, in microseconds since the machine started: when the next change may leave.
 * A change takes that moment and moves it on by its share, in one atomic step. So nothing is lost when a
 * process dies, and nobody holds a lock. With an emulator's clock the moments are the emulator's.
 *
 * After a pause the moment lies in the past, and changes leave at once until it has caught up: a hundredth of the
 * limit at most. The others share the span, so that the limit holds in any span.
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
#define HORIZON (60LL * MICROSECONDS) /* no moment further ahead is given */
#define MOST_AT_ONCE 20               /* changes of one $batch */
#define SAVED 0.01                    /* of the limit: what may leave at once after a pause */

struct budget {
  _Atomic int64_t *next; /* mapped */
  int64_t share;         /* microseconds of one change */
  int64_t saved;         /* microseconds that the next moment may lie in the past */
  const struct clock *clock;
};

static int64_t now_of(const struct budget *budget) {
  struct timespec time;
  clock_gettime(CLOCK_BOOTTIME, &time);
  int64_t now = (int64_t)time.tv_sec * MICROSECONDS + time.tv_nsec / 1000;
  return budget->clock ? now + (int64_t)(sys_clock_offset(budget->clock) * MICROSECONDS) : now;
}

/* A moment so far ahead was never given: the file is from before the machine or its emulator restarted. */
static int is_stale(const struct budget *budget, int64_t next, int64_t now) {
  return next > now + HORIZON + (MOST_AT_ONCE + 1) * budget->share;
}

/* Take the first free moment for so many changes; 0 when there is none yet. */
static int64_t take(struct budget *budget, int64_t count, int64_t now) {
  int64_t next = atomic_load(budget->next), moment, after;
  do {
    int64_t from = is_stale(budget, next, now) ? now : next;
    if (from > now + HORIZON) return 0;
    if (from < now - budget->saved) from = now - budget->saved;
    moment = from > now ? from : now;
    after = from + count * budget->share;
  } while (!atomic_compare_exchange_weak(budget->next, &next, after));
  return moment;
}

static int64_t changes_of(const struct request *request) {
  int64_t count = 0;
  for (size_t i = 0; i < request->call_count; i++) count += request->calls[i].changes;
  return count ? count : 1;
}

double gate_budget_wait(struct budget *budget, struct request *request) {
  int64_t now = now_of(budget);
  if (request->moment && is_stale(budget, request->moment, now)) request->moment = 0;
  if (!request->moment) request->moment = take(budget, changes_of(request), now);
  if (!request->moment) return 1;
  double wait = (double)(request->moment - now) / MICROSECONDS;
  if (wait <= 0) request->moment = 0;
  return wait > 0 ? wait : 0;
}

double gate_budget_rate(const struct budget *budget) {
  return (double)MICROSECONDS / (double)budget->share;
}

double gate_budget_ahead(const struct budget *budget) {
  int64_t now = now_of(budget), next = atomic_load(budget->next);
  return next <= now || is_stale(budget, next, now) ? 0 : (double)(next - now) / MICROSECONDS;
}

struct budget *gate_budget_open(lua_State *L, const char *path, double count, double seconds,
                                const struct clock *clock) {
  int fd = sys_open_private(L, path, O_RDWR | O_NOFOLLOW | O_CREAT, 077);
  if (fd < 0) return NULL;
  _Atomic int64_t *next;
  int code = sys_counter_map(fd, 1, &next);
  struct budget *budget = code ? NULL : calloc(1, sizeof *budget);
  if (budget) {
    int64_t at_once = (int64_t)(count * SAVED), share = (int64_t)(seconds * MICROSECONDS / (count - (double)at_once));
    *budget = (struct budget){next, share, at_once * share, clock};
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
