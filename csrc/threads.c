/* threads.c: a team of threads for one call at a time.
 *
 * Design:
 * a) Workers are made when first wanted and sleep on a condition variable between calls: nothing spins once a call has
 *    returned. Inside a call, a barrier spins briefly (a step's phases are microseconds apart), then sleeps; with fewer CPUs than
 *    threads it sleeps at once.
 * b) One call has the pool; a second one that comes meanwhile runs alone on its own thread. Results do not depend on it.
 * c) After fork() the child has no workers: the pool is declared empty and makes new ones when wanted.
 * d) Work that falls into pieces (nnc_pieces) needs no certain number of threads: its workers are guests, who enter when they wake,
 *    and the caller, who has begun at once, waits only for those that are in. Waking takes 5 to 40 us, as long as much of what is
 *    asked here; so nobody waits for a sleeper, and one that comes late, or is held up, finds less to do.
 * e) A worker computes in the caller's floating-point mode (rounding, subnormal numbers as zero), which is of a thread: the bits
 *    must not hang by who computes them.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "nnc.h"
#include <stdatomic.h>

_Static_assert(NNC_MOST_THREADS < 256, "pool.call and pool.guests keep a number of threads in 8 bits");

static atomic_int most_threads; /* 0: as many as there are CPUs */
void nnc_set_threads(int most) { atomic_store(&most_threads, most); }
int nnc_threads(void) {
    const int most = atomic_load_explicit(&most_threads, memory_order_relaxed), threads = most > 0 ? most : nnc_cpu_count();
    return threads < NNC_MOST_THREADS ? threads : NNC_MOST_THREADS;
}

#if defined(_WIN32)

struct nnc_team {
    int size;
};
void nnc_parallel(int want, nnc_work work, void *context) {
    (void)want;
    nnc_team team = {1};
    work(context, 0, &team);
}
void nnc_barrier(nnc_team *team) { (void)team; }
void nnc_pieces(int want, int64_t n, int64_t least, int64_t grain, nnc_piece work, void *context) {
    (void)want, (void)least, (void)grain;
    if (n > 0) work(context, 0, 0, n);
}
int nnc_team_size(const nnc_team *team) { return team->size; }
int nnc_cpu_count(void) { return 1; }

#else

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif

enum { GUESTS = 256, CLOSED = 256 }; /* bits of pool.call's phase and of pool.guests */
enum { SPINS = 4000, STACK = 1 << 20 }; /* looks (some 100 us) at a gate before sleeping there; a worker's stack, at least */

typedef unsigned long long fp_mode; /* the control register of a thread's floating-point arithmetic */

/* A point where some wait until another opens it: a phase that changes when it opens, and a bed for the patient. */
typedef struct {
    atomic_ullong phase;
    atomic_int arrived, sleeping;
    pthread_mutex_t mutex;
    pthread_cond_t opened;
} gate;
#define GATE_INIT {0, 0, 0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}

struct nnc_team {
    int size, spins;
    gate barrier;
};

static struct {
    atomic_flag busy;
    int workers;                     /* alive; touched only by the holder of busy */
    unsigned long long born_at;      /* phase of `call` that new workers start from */
    gate call;                       /* phase: calls so far << 9 | whether for guests << 8 | size, so that all are read at once */
    atomic_ullong guests;            /* the call << 9 | CLOSED | how many are in: of a call for guests */
    gate finish;                     /* the last worker of a team to finish opens it */
    nnc_work work;
    void *context;
    fp_mode mode;                    /* the caller's */
    nnc_team team;
} pool = {.busy = ATOMIC_FLAG_INIT, .call = GATE_INIT, .finish = GATE_INIT, .team = {.barrier = GATE_INIT}};

static fp_mode get_mode(void) {
#if NNC_X86
    return __builtin_ia32_stmxcsr() & ~63u; /* without the flags of what has happened */
#elif NNC_ARM64
    fp_mode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
#else
    return 0;
#endif
}

static void set_mode(fp_mode mode) {
#if NNC_X86
    __builtin_ia32_ldmxcsr((unsigned)mode);
#elif NNC_ARM64
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

static void pause_cpu(void) {
#if NNC_X86
    __builtin_ia32_pause();
#elif NNC_ARM64
    __asm__ volatile("yield");
#endif
}

static void gate_open(gate *g, unsigned long long phase) {
    atomic_store(&g->phase, phase);
    if (atomic_load(&g->sleeping) > 0) {
        pthread_mutex_lock(&g->mutex);
        pthread_cond_broadcast(&g->opened);
        pthread_mutex_unlock(&g->mutex);
    }
}

/* Returns the phase that followed `phase`. */
static unsigned long long gate_wait(gate *g, unsigned long long phase, int spins) {
    unsigned long long now;
    for (int i = 0; i < spins; i++) {
        if ((now = atomic_load_explicit(&g->phase, memory_order_acquire)) != phase) return now;
        pause_cpu();
    }
    pthread_mutex_lock(&g->mutex);
    atomic_fetch_add(&g->sleeping, 1);
    while ((now = atomic_load(&g->phase)) == phase) pthread_cond_wait(&g->opened, &g->mutex);
    atomic_fetch_sub(&g->sleeping, 1);
    pthread_mutex_unlock(&g->mutex);
    return now;
}

/* The last of `count` to arrive opens the gate; returns whether that was the caller. */
static int gate_arrive(gate *g, int count, unsigned long long phase) {
    if (atomic_fetch_add(&g->arrived, 1) != count - 1) return 0;
    atomic_store(&g->arrived, 0);
    gate_open(g, phase + 1);
    return 1;
}

void nnc_barrier(nnc_team *team) {
    if (team->size == 1) return;
    const unsigned long long phase = atomic_load(&team->barrier.phase);
    if (!gate_arrive(&team->barrier, team->size, phase)) gate_wait(&team->barrier, phase, team->spins);
}

int nnc_team_size(const nnc_team *team) { return team->size; }

/* Whether a guest who was asked to this call may still come in; who has is to go out by `leave`. */
static int enter(unsigned long long call) {
    unsigned long long now = atomic_load(&pool.guests);
    do {
        if (now >> 9 != call >> 9 || now & CLOSED) return 0;
    } while (!atomic_compare_exchange_weak(&pool.guests, &now, now + 1));
    return 1;
}

static void leave(void) {
    const unsigned long long now = atomic_fetch_sub(&pool.guests, 1) - 1;
    if (now & CLOSED && (now & 255) == 0) gate_open(&pool.finish, atomic_load(&pool.finish.phase) + 1);
}

static void *worker(void *argument) {
    const int index = (int)(intptr_t)argument;
    unsigned long long call = pool.born_at;
    for (;;) {
        call = gate_wait(&pool.call, call, 0);
        const int size = (int)(call & 255);
        if (index >= size) continue; /* not in this team, so the pool may already be on its way to the next call */
        if (call & GUESTS) {
            if (!enter(call)) continue; /* over already: likewise */
            set_mode(pool.mode);
            pool.work(pool.context, index, NULL);
            leave();
            continue;
        }
        const unsigned long long finish = atomic_load(&pool.finish.phase);
        set_mode(pool.mode);
        pool.work(pool.context, index, &pool.team);
        gate_arrive(&pool.finish, size - 1, finish);
    }
    return NULL;
}

static void forget_workers(void) { /* in the child of a fork, which has none of them */
    const gate fresh = GATE_INIT;
    pool.workers = 0;
    pool.guests = 0;
    pool.call = pool.finish = pool.team.barrier = fresh;
    atomic_flag_clear(&pool.busy);
}

/* Before there can be a call, during which another thread may fork. */
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }

static void add_workers(int wanted) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals belong to the caller's threads */
    pthread_attr_t attributes; /* of what the C library has by itself 128 KiB may be all, and run_many takes NNCORE_STACK */
    size_t stack = 0;
    pthread_attr_init(&attributes);
    if (pthread_attr_getstacksize(&attributes, &stack) == 0 && stack < STACK) pthread_attr_setstacksize(&attributes, STACK);
    pool.born_at = atomic_load(&pool.call.phase);
    while (pool.workers < wanted) {
        pthread_t id;
        if (pthread_create(&id, &attributes, worker, (void *)(intptr_t)(pool.workers + 1)) != 0) break;
        pthread_detach(id);
        pool.workers++;
    }
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Takes the pool for a call, and makes workers; returns how many threads there are for it, the caller among them, or 0 where another
 * call has the pool. */
static int take_pool(int want, nnc_work work, void *context) {
    if (atomic_flag_test_and_set(&pool.busy)) return 0;
    if (pool.workers < want - 1) add_workers(want - 1);
    pool.work = work;
    pool.context = context;
    pool.mode = get_mode();
    return pool.workers + 1 < want ? pool.workers + 1 : want;
}

static int spins_of(int size) { return nnc_cpu_count() >= size ? SPINS : 0; }

void nnc_parallel(int want, nnc_work work, void *context) {
    if (want > NNC_MOST_THREADS) want = NNC_MOST_THREADS;
    const int size = want > 1 ? take_pool(want, work, context) : 0;
    if (size == 0) {
        nnc_team alone = {.size = 1};
        work(context, 0, &alone);
        return;
    }
    pool.team.size = size;
    pool.team.spins = spins_of(size);
    if (size > 1) {
        const unsigned long long finish = atomic_load(&pool.finish.phase);
        gate_open(&pool.call, ((atomic_load(&pool.call.phase) >> 9) + 1) << 9 | (unsigned)size);
        work(context, 0, &pool.team);
        gate_wait(&pool.finish, finish, pool.team.spins);
    } else {
        work(context, 0, &pool.team);
    }
    atomic_flag_clear(&pool.busy);
}

/* ---- pieces ---- */

typedef struct {
    nnc_piece work;
    void *context;
    int64_t n, grain, least;
    int threads;
    _Atomic int64_t next; /* the first item that nobody has */
} pieces;

/* Piece after piece until there are none: half of a fair share of what is left, in whole grains, so that all end together; and a
 * fair share where it is less than two grains. */
static void do_pieces(void *argument, int index, nnc_team *team) {
    pieces *p = argument;
    int64_t first = atomic_load(&p->next);
    (void)team;
    while (first < p->n) {
        const int64_t left = p->n - first, share = (left + p->threads - 1) / p->threads, many = share / 2 / p->grain * p->grain;
        const int64_t count = many > 0 ? many : share > p->least ? share : p->least, end = count < left ? first + count : p->n;
        if (!atomic_compare_exchange_weak(&p->next, &first, end)) continue; /* first is now where another left it */
        p->work(p->context, index, first, end - first);
        first = atomic_load(&p->next);
    }
}

void nnc_pieces(int want, int64_t n, int64_t least, int64_t grain, nnc_piece work, void *context) {
    if (n <= 0) return;
    if (want > NNC_MOST_THREADS) want = NNC_MOST_THREADS;
    if (want > (n + least - 1) / least) want = (int)((n + least - 1) / least);
    pieces p = {.work = work, .context = context, .n = n, .grain = grain};
    const int size = want > 1 ? take_pool(want, do_pieces, &p) : 0;
    if (size <= 1) {
        work(context, 0, 0, n);
        if (size == 1) atomic_flag_clear(&pool.busy);
        return;
    }
    const int64_t fair = (n + size - 1) / size;
    p.threads = size;
    p.least = fair < least ? least : fair < grain ? fair : grain;
    const unsigned long long call = (atomic_load(&pool.call.phase) >> 9) + 1, finish = atomic_load(&pool.finish.phase);
    atomic_store(&pool.guests, call << 9);
    gate_open(&pool.call, call << 9 | GUESTS | (unsigned)size);
    do_pieces(&p, 0, NULL);
    if (atomic_fetch_or(&pool.guests, CLOSED) & 255) gate_wait(&pool.finish, finish, spins_of(size));
    atomic_flag_clear(&pool.busy);
}

int nnc_cpu_count(void) {
    static atomic_long quota = -1; /* read once: it seldom changes, and a call of many threads asks here */
    long share = atomic_load_explicit(&quota, memory_order_relaxed), count = 0;
    if (share < 0) atomic_store_explicit(&quota, share = nnc_cpu_quota(""), memory_order_relaxed);
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
    if (count <= 0) count = sysconf(_SC_NPROCESSORS_ONLN);
    if (count <= 0) count = 1;
    return (int)(share > 0 && share < count ? share : count);
}

#endif
