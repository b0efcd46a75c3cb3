/* pace.h: how many threads a stretch of training steps gets where the work leaves it open, and how many steps it has.
 *
 * Design:
 * a) Stretches on one thread and on the team are timed in turn; the faster goes on, and the other is looked at again now and then:
 *    the machine may have changed. What a look costs is bounded by how seldom and how short it is.
 * b) No clock is read here: the caller says what a stretch took. tests/ctest/test_pace.c says it for machines of its own making.
 * c) What is decided never changes a result.
 */
#ifndef NNC_PACE_H
#define NNC_PACE_H

#define NNC_STRETCH 0.02  /* seconds that a stretch is to last: between looks at signals and the progress bar */
#define NNC_TELLING 0.002 /* seconds that one, or some in a row, must last to say that a number of threads is slow */

/* Seconds until one thread is tried where more are sure to pay by the work; until the slower number of threads is timed again, twice
 * as long after each time; and the longest of these waits, but for the price: a look costs a fortieth of what follows. */
#define NNC_LOOK_FIRST 0.1
#define NNC_LOOK_SOON 0.3
#define NNC_LOOK_AGAIN 2.5
#define NNC_LOOK_PRICE 40
enum { NNC_LOOK = 3 }; /* measurements of a team that is looked at: the first may find the threads, or their CPUs, asleep */

/* Begins as all zeros. */
typedef struct {
    double best[2];       /* seconds per step on one thread and on the team, the best of late; 0 while not measured */
    long steps;           /* of the next stretch, unless a look wants fewer; 0 at first */
    double seconds;       /* of the stretches since the last measurement, all on one number of threads */
    long done;            /* and their steps */
    double age;           /* seconds measured so far */
    double next_look, wait; /* the age at which the slower number of threads has its turn, and from that one to the next */
    double lost;          /* seconds, by the look that goes on */
    int looks, looked_at; /* measurements still to come on the number of threads that is looked at; 1: the team */
} nnc_pace;

/* Threads of the next stretch: `guess`, or where more than one may pay the faster of one and `most`, as far as they are measured. */
static inline int nnc_pace_threads(nnc_pace *p, int guess, int most) {
    const int one = p->best[0] > 0, team = p->best[1] > 0, both = one && team, faster = both ? p->best[1] < p->best[0] : team;
    if (most <= 1 || !(one || team)) return guess;
    if (p->wait == 0) {
        p->wait = NNC_LOOK_SOON;
        p->next_look = guess > 1 ? NNC_LOOK_FIRST : 0;
    }
    if (p->looks == 0 && p->age >= p->next_look) {
        p->looks = faster ? 1 : NNC_LOOK;
        p->looked_at = !faster;
        p->lost = 0;
    }
    if (p->looks > 0) return p->looked_at ? most : 1;
    if (!both) return guess;
    return faster ? most : 1;
}

/* Steps of the next stretch, on so many threads. A look is as short as it may be: long enough to tell, for one thread; for a team
 * long beside the waking of its threads. */
static inline long nnc_pace_steps(const nnc_pace *p, int threads, int most) {
    const long steps = p->steps > 0 ? p->steps : 1;
    if (p->looks == 0) return steps;
    const double each = p->best[threads > 1] > 0 ? p->best[threads > 1] : p->best[threads == 1];
    const long telling = (long)(threads > 1 ? NNC_STRETCH / 2 / each : 1.5 * NNC_TELLING / each) + 1;
    const long share = threads > 1 ? 1 : steps / most, few = telling > share ? telling : share;
    return few < steps ? few : steps;
}

/* What became of a stretch: `done` of its `steps` in so many seconds. */
static inline void nnc_pace_note(nnc_pace *p, int threads, int most, long steps, long done, double seconds) {
    if (done == steps || seconds > NNC_STRETCH) {
        p->steps = (long)((double)done * NNC_STRETCH / (seconds > 1e-7 ? seconds : 1e-7)) + 1;
        if (p->steps > 4 * done) p->steps = 4 * done;
    }
    if (most <= 1 || done == 0) return;
    p->age += seconds;
    p->seconds += seconds;
    p->done += done;
    double *best = &p->best[threads > 1], pace = p->seconds / (double)p->done;
    if (p->seconds <= NNC_TELLING && pace >= p->best[0] && pace >= p->best[1]) return; /* quick is quick, however short it was */
    /* one that something else on the machine slowed down says little */
    *best = *best == 0 || pace < 1.05 * *best ? pace : 1.05 * *best;
    if (p->looks > 0) {
        p->lost += p->seconds - (double)p->done * p->best[threads == 1];
        if (--p->looks == 0) {
            p->next_look = p->age + (NNC_LOOK_PRICE * p->lost > p->wait ? NNC_LOOK_PRICE * p->lost : p->wait);
            p->wait = 2 * p->wait < NNC_LOOK_AGAIN ? 2 * p->wait : NNC_LOOK_AGAIN;
        }
    }
    p->seconds = 0;
    p->done = 0;
}

#endif
