/* test_threads.c: the team of threads: every index once, barriers that hold, calls from several threads at once, calls within
 * calls, work in pieces, and a child after fork().
 *
 *     cc -O1 -std=gnu11 -Icsrc tests/ctest/test_threads.c csrc/(all).c csrc/isa/(all).c -lm -lpthread
 *     test_threads            exit code 1 and FAIL lines when something is off */
#include "nnc.h"
#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int failures;
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            if (atomic_fetch_add(&failures, 1) < 20) {                                                                 \
                printf("FAIL line %d: ", __LINE__);                                                                    \
                printf(__VA_ARGS__);                                                                                   \
                printf("\n");                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

enum { MOST = 8, PHASES = 30 };

typedef struct {
    atomic_int seen[256];
    int team;
    long cells[MOST], sums[PHASES];
} job;

/* Each phase every thread writes its cell, and after the barrier all read all cells: a barrier that lets one through too early
 * shows as a sum that is not yet, or no longer, that of the phase. */
static void phases(void *context, int index, nnc_team *team) {
    job *j = context;
    const int size = nnc_team_size(team);
    atomic_fetch_add(&j->seen[index], 1);
    if (index == 0) j->team = size;
    for (long phase = 0; phase < PHASES; phase++) {
        j->cells[index] = phase * (index + 1);
        nnc_barrier(team);
        long sum = 0;
        for (int i = 0; i < size; i++) sum += j->cells[i];
        CHECK(sum == phase * size * (size + 1) / 2, "phase %ld of a team of %d: %ld", phase, size, sum);
        nnc_barrier(team);
    }
}

static void call(int want, int exact) {
    job j;
    memset(&j, 0, sizeof(j));
    nnc_parallel(want, phases, &j);
    CHECK(j.team >= 1 && j.team <= (want > 1 ? want : 1), "asked for %d threads, got %d", want, j.team);
    if (exact) CHECK(j.team == (want > 1 ? want : 1), "asked for %d threads with the pool free, got %d", want, j.team);
    for (int i = 0; i < 256; i++) CHECK(j.seen[i] == (i < j.team), "index %d ran %d times in a team of %d", i, j.seen[i], j.team);
}

static void upward(void *context, int index, nnc_team *team) {
    nnc_barrier(team); /* all at once, so that nobody does it for another */
    volatile float one = 1, little = 1e-10f;
    if (one + little > one) atomic_fetch_add(&((job *)context)->seen[index], 1);
}

/* Rounding is of a thread: all of a team round as the caller does, and do so no longer than it. */
static void modes(void) {
    const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_TONEAREST};
    for (int m = 0; m < 3; m++) {
        job j;
        memset(&j, 0, sizeof(j));
        fesetround(modes[m]);
        nnc_parallel(4, upward, &j);
        fesetround(FE_TONEAREST);
        for (int i = 0; i < 4; i++) CHECK(j.seen[i] == (m == 1), "call %d: index %d does not round as its caller", m, i);
    }
}

static void nested(void *context, int index, nnc_team *team) {
    (void)team;
    if (index == 0) {
        call(4, 0);
        *(int *)context += 1;
    }
}

static void *many_calls(void *argument) {
    for (int i = 0; i < 40; i++) call(1 + i % MOST, 0);
    return argument;
}

static void nothing(void *context, int index, nnc_team *team) {
    (void)index, (void)team;
    atomic_fetch_add((atomic_int *)context, 1);
}

/* Pieces: every item once, not too few at a time, by threads with numbers of their own. */
typedef struct {
    atomic_int items[3000], inside[256];
    int64_t n, least;
    int want;
} cut;

static void a_piece(void *context, int index, int64_t first, int64_t count) {
    cut *c = context;
    CHECK(index >= 0 && index < (c->want > 1 ? c->want : 1), "index %d of %d", index, c->want);
    CHECK(atomic_fetch_add(&c->inside[index], 1) == 0, "two threads are number %d", index);
    CHECK(first >= 0 && count > 0 && first + count <= c->n, "items %ld to %ld of %ld", (long)first, (long)(first + count), (long)c->n);
    CHECK(count >= c->least || first + count == c->n, "%ld items from %ld on", (long)count, (long)first);
    for (int64_t i = first; i < first + count; i++) atomic_fetch_add(&c->items[i], 1);
    atomic_fetch_sub(&c->inside[index], 1);
}

static void cut_up(int want, int64_t n, int64_t grain) {
    static _Thread_local cut c;
    memset(&c, 0, sizeof(c));
    c.n = n, c.least = (grain + 2) / 3, c.want = want;
    nnc_pieces(want, n, c.least, grain, a_piece, &c);
    for (int64_t i = 0; i < 3000; i++) CHECK(c.items[i] == (i < n), "item %ld of %ld ran %d times", (long)i, (long)n, c.items[i]);
}

static void *many_cuts(void *argument) {
    for (int i = 0; i < 60; i++) {
        cut_up(1 + i % MOST, i * 37 % 3000, 1 + i % 7);
        if (i % 3 == 0) call(1 + i % MOST, 0); /* a team after guests who may still be on their way */
    }
    return argument;
}

static void upward_piece(void *context, int index, int64_t first, int64_t count) {
    (void)index, (void)first;
    volatile float one = 1, little = 1e-10f;
    for (int64_t i = 0; i < count; i++)
        if (one + little > one) atomic_fetch_add((atomic_int *)context, 1);
}

static void all_cuts(void) {
    const int64_t sizes[] = {0, 1, 2, 5, 6, 7, 12, 97, 1000, 2999};
    for (int want = 0; want <= MOST; want++)
        for (int s = 0; s < 10; s++)
            for (int64_t grain = 1; grain <= 6; grain += 5) cut_up(want, sizes[s], grain);
    for (int i = 0; i < 3000; i++) { /* short ones, one after the other: guests come late to most, and teams come between */
        cut_up(3, 20, 6);
        if (i % 5 == 0) call(3, 1);
    }
    atomic_int up = 0;
    fesetround(FE_UPWARD);
    nnc_pieces(4, 2000, 1, 1, upward_piece, &up);
    fesetround(FE_TONEAREST);
    CHECK(up == 2000, "%d of 2000 round as the caller does", up);
}

static int child_is_well(void) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(20); /* a child that waits for workers it does not have is killed */
        const int before = failures;
        for (int i = 0; i < 20; i++) call(1 + i % 5, 1), cut_up(1 + i % 5, 500, 6);
        _exit(failures != before);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(void) {
    CHECK(child_is_well(), "a child of a process that never had threads");
    for (int want = 0; want <= MOST; want++) call(want, 1);
    for (int i = 0; i < 100; i++) call(1 + (i * 5) % MOST, 1); /* teams that grow and shrink */

    modes();
    all_cuts();

    atomic_int runs = 0;
    for (int i = 0; i < 5000; i++) nnc_parallel(3, nothing, &runs); /* short calls, one after the other */
    CHECK(runs == 15000, "%d runs", runs);
    runs = 0;
    nnc_parallel(100000, nothing, &runs);
    CHECK(runs >= 1 && runs <= 255, "a team of %d", runs);

    int inner = 0;
    nnc_parallel(3, nested, &inner); /* the inner call has no pool to go to and runs alone */
    CHECK(inner == 1, "the inner call ran %d times", inner);

    pthread_t callers[4];
    for (int i = 0; i < 4; i++) pthread_create(&callers[i], NULL, i % 2 ? many_cuts : many_calls, NULL);
    for (int i = 0; i < 4; i++) pthread_join(callers[i], NULL);

    CHECK(child_is_well(), "a child of a process with threads");
    call(4, 1); /* and its parent */

#ifndef __SANITIZE_THREAD__ /* which cannot follow threads made after such a fork */
    /* a fork while another thread is within a call: the child must not find the pool busy for ever, nor wait for anyone */
    pthread_create(&callers[0], NULL, many_calls, NULL);
    pthread_create(&callers[1], NULL, many_cuts, NULL);
    for (int i = 0; i < 10; i++) CHECK(child_is_well(), "a child forked during a call");
    pthread_join(callers[0], NULL);
    pthread_join(callers[1], NULL);
#endif

    CHECK(nnc_cpu_count() >= 1, "%d CPUs", nnc_cpu_count());
    printf(failures ? "%d failures\n" : "all good\n", failures);
    return failures != 0;
}
