/* test_pace.c: the rule that gives stretches of training their threads, on machines made up here: no clock, no chance.
 *
 *     cc -O1 -std=gnu11 -Icsrc tests/ctest/test_pace.c
 *     test_pace [-v]          exit code 1 and FAIL lines when something is off; -v: what each machine cost */
#include "harness.h"
#include "pace.h"

static int verbose;

/* A machine and a training on it. Times in seconds of the machine, which only this file counts. */
typedef struct {
    double one, team;     /* of a step on one thread and on the team */
    double call;          /* of a stretch besides its steps */
    double cold;          /* the team's first stretch after one on one thread takes so many times as long */
    double noise;         /* part of the stretches that take two to five times as long */
    double change;        /* when one and team change places, or 0 */
    long epoch;           /* steps in an epoch: no stretch goes beyond its end */
    int guess, most;
    uint64_t seed;
} machine;

static double chance(machine *m) { return (double)(nnc_mix(m->seed++) >> 11) * 0x1p-53; }

/* Seconds spent from `from` to `to`, over what the same steps take on the better number of threads. */
static double cost(machine m, nnc_pace *p, double from, double to) {
    double now = 0, spent = 0, least = 0;
    long left = m.epoch;
    int last = 1;
    while (now < to) {
        const int changed = m.change > 0 && now >= m.change;
        const double each[2] = {changed ? m.team : m.one, changed ? m.one : m.team};
        const int threads = nnc_pace_threads(p, m.guess, m.most);
        const long steps = nnc_pace_steps(p, threads, m.most), done = steps < left ? steps : left;
        CHECK(threads == 1 || threads == m.most || threads == m.guess, "%d threads of %d", threads, m.most);
        CHECK(steps > 0, "a stretch of %ld steps", steps);
        double seconds = m.call + (double)done * each[threads > 1];
        const double better = m.call + (double)done * (each[0] < each[1] ? each[0] : each[1]);
        CHECK(seconds < 16 * NNC_STRETCH || done == 1 || changed, "a stretch of %g s", seconds);
        double slow = threads > 1 && last == 1 ? m.cold : 1;
        if (chance(&m) < m.noise) slow *= 2 + 3 * chance(&m);
        nnc_pace_note(p, threads, m.most, steps, done, slow * seconds);
        now += slow * seconds;
        if (now >= from) spent += slow * seconds, least += better * (slow > 1 && m.noise > 0 ? slow : 1);
        last = threads;
        left = left > done ? left - done : m.epoch;
    }
    return spent / least;
}

/* In the first two seconds, and in those up to the fifteenth. */
static void costs_at_most(const char *name, machine m, double whole, double first) {
    nnc_pace p = {0};
    const double early = cost(m, &p, 0, 2);
    p = (nnc_pace){0};
    const double late = cost(m, &p, 2, 15);
    if (verbose)
        printf("%-14s one %-8g team %-8g guess %-2d most %-2d epoch %-6ld  first two seconds %.3f, later %.3f\n", name, m.one,
               m.team, m.guess, m.most, m.epoch, early, late);
    CHECK(early <= first, "%s: one %g team %g guess %d epoch %ld: the first two seconds take %.3f times the best", name, m.one, m.team,
          m.guess, m.epoch, early);
    CHECK(late <= whole, "%s: one %g team %g guess %d epoch %ld: what follows takes %.3f times the best", name, m.one, m.team, m.guess,
          m.epoch, late);
}

static void machines(void) {
    static const double steps[] = {2e-6, 3e-5, 1e-3, 1.5e-2}, teams[] = {0.15, 0.5, 0.8, 0.95, 1.05, 1.3, 2, 8};
    static const int mosts[] = {2, 16};
    static const long epochs[] = {30, 1000, 100000};
    for (unsigned s = 0; s < sizeof steps / sizeof *steps; s++)
        for (unsigned t = 0; t < sizeof teams / sizeof *teams; t++)
            for (unsigned k = 0; k < sizeof mosts / sizeof *mosts; k++)
                for (unsigned e = 0; e < sizeof epochs / sizeof *epochs; e++)
                    for (int sure = 0; sure < 2; sure++) {
                        machine m = {.one = steps[s], .team = steps[s] * teams[t], .call = 2e-6, .cold = 1, .epoch = epochs[e]};
                        m.most = mosts[k];
                        m.guess = sure ? m.most : 1;
                        costs_at_most("steady", m, 1.05, 1.3);
                        m.cold = 3;
                        costs_at_most("cold", m, 1.05, 1.9);
                        m.noise = 0.1;
                        costs_at_most("noise", m, 1.06, 1.9);
                    }
}

/* A machine that changes is found out: by the next look, some three seconds later at most. */
static void changes(void) {
    for (int back = 0; back < 2; back++) {
        machine m = {.one = 1e-4, .team = back ? 2e-4 : 5e-5, .call = 2e-6, .cold = 1, .change = 10, .epoch = 100000, .guess = 1, .most = 2};
        nnc_pace p = {0};
        const double after = cost(m, &p, 10 + 2 * NNC_LOOK_AGAIN, 30);
        CHECK(after <= 1.05, "after a change, back %d: %.3f times the best", back, after);
    }
}

/* Where there is no choice there is none, and stretches grow to their length by no more than four times at once. */
static void no_choice(void) {
    for (int guess = 1; guess <= 4; guess++) {
        nnc_pace p = {0};
        long last = 0;
        for (int i = 0; i < 100; i++) {
            CHECK(nnc_pace_threads(&p, guess, 1) == guess, "%d threads were fixed", guess);
            const long steps = nnc_pace_steps(&p, guess, 1);
            CHECK(i == 0 ? steps == 1 : steps <= 4 * last, "stretch %d of %ld steps after one of %ld", i, steps, last);
            nnc_pace_note(&p, guess, 1, steps, steps, 1e-5 * (double)steps);
            last = steps;
        }
        CHECK(last >= 1990 && last <= 2010, "%ld steps of 10 us in a stretch of 20 ms", last);
        nnc_pace_note(&p, guess, 1, last, 1, 0.5);
        CHECK(nnc_pace_steps(&p, guess, 1) == 1, "a step of half a second stands alone");
    }
}

int main(int count, char **words) {
    verbose = count > 1 && !strcmp(words[1], "-v");
    machines();
    changes();
    no_choice();
    printf(failures ? "%d failures\n" : "all good\n", failures);
    return failures > 0;
}
