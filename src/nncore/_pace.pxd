"""How many threads a stretch of training gets where the work leaves it open: stretches on one thread and on the team are timed in
turn, the faster goes on, and the other is looked at again now and then."""

cdef enum:
    TELLING = 2         # milliseconds that a stretch must last to say something about its number of threads
    LOOK_FIRST = 10     # stretches after which one thread is tried where more are sure to pay by the work
    LOOK_AGAIN = 50     # stretches, about a second, after which the slower number of threads is timed again


cdef struct Pace:
    double best[2]      # seconds per step on one thread and on the team; 0 while not measured
    long stretches      # measured so far


cdef inline void note_pace(Pace *p, int which, double seconds, long steps) noexcept nogil:
    # the best of late: a stretch that something else on the machine slowed down says nothing
    cdef double pace = seconds / steps
    if seconds * 1000 <= TELLING:
        return
    if p.best[which] == 0 or pace < 1.05 * p.best[which]:
        p.best[which] = pace
    else:
        p.best[which] *= 1.05
    p.stretches += 1


cdef inline int team_by_pace(const Pace *p, int guess, int most) noexcept nogil:
    # threads for the next stretch: the faster of one and `most`, as far as they have been measured
    cdef int slower
    if p.best[0] == 0 and p.best[1] == 0:
        return guess
    if p.best[0] == 0 or p.best[1] == 0:
        if guess > 1 and p.stretches < LOOK_FIRST:
            return guess
        return 1 if p.best[0] == 0 else most
    slower = 1 if p.best[0] < p.best[1] else 0
    if p.stretches % LOOK_AGAIN == 0 and p.best[slower] < 2 * p.best[1 - slower]:
        return most if slower else 1
    return 1 if slower else most
