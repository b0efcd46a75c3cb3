"""How many threads a stretch of training gets where the work leaves it open: stretches on one thread and on the team are timed in
turn, the faster goes on, and the other is looked at again now and then."""

cdef enum:
    TELLING = 2         # milliseconds that a stretch must last to say that a number of threads is slow
    LOOK_FIRST = 10     # stretches after which one thread is tried where more are sure to pay by the work
    LOOK_SOON = 16      # stretches after which the slower number of threads is timed again, twice as many the next time
    LOOK_AGAIN = 128    # and so on up to this many, about three seconds
    LOOK = 3            # stretches that a team is timed for: the first may find the threads, or their CPUs, asleep


cdef struct Pace:
    double best[2]      # seconds per step on one thread and on the team; 0 while not measured
    long stretches      # so far
    long next_look      # the stretch at which the slower number of threads has its turn
    long wait           # stretches from that one to the next
    int looks           # stretches still to come on the number of threads that is looked at
    int looked_at       # 1: the team


cdef inline void note_pace(Pace *p, int which, double seconds, long steps) noexcept nogil:
    # the best of late: a stretch that something else on the machine slowed down says nothing
    cdef double pace = seconds / steps
    p.stretches += 1
    if p.looks > 0:
        p.looks -= 1
    if seconds * 1000 <= TELLING and pace >= p.best[0] and pace >= p.best[1]:  # quick is quick, however short it was
        return
    if p.best[which] == 0 or pace < 1.05 * p.best[which]:
        p.best[which] = pace
    else:
        p.best[which] *= 1.05


cdef inline int team_by_pace(Pace *p, int guess, int most) noexcept nogil:
    # threads for the next stretch: the faster of one and `most`, as far as they have been measured
    cdef bint one = p.best[0] > 0, team = p.best[1] > 0
    cdef int faster = p.best[1] < p.best[0] if one and team else team
    if not (one or team):
        return guess
    if p.wait == 0:
        p.wait, p.next_look = LOOK_SOON, p.stretches + (LOOK_FIRST if guess > 1 else 0)
    if p.looks == 0 and p.stretches >= p.next_look:
        p.next_look = p.stretches + p.wait
        p.wait = 2 * p.wait if 2 * p.wait < LOOK_AGAIN else LOOK_AGAIN
        if not (one and team) or p.best[1 - faster] < 2 * p.best[faster]:
            p.looks = 1 if faster else LOOK
            p.looked_at = 1 - faster
    if p.looks > 0:
        return most if p.looked_at else 1
    if not (one and team):
        return guess
    return most if faster else 1


cdef inline long steps_by_pace(const Pace *p, int team, int most, long steps) noexcept nogil:
    # steps of a stretch: a look at one thread takes about as long as the team's stretches, but long enough to tell
    cdef long telling
    if team > 1 or p.looks == 0 or p.best[1] == 0:
        return steps
    telling = <long>(1.5e-3 * TELLING / p.best[1]) + 1
    if telling < steps // most:
        telling = steps // most
    return telling if telling < steps else steps
