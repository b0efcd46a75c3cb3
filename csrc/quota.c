/* quota.c: how much of the CPUs' time this process may have. A container that is given two CPUs' worth of a machine with sixty-four
 * (docker --cpus, limits of Kubernetes) may run on all of them, but stands still for the rest of each tenth of a second once its
 * share is used up; more threads than its share only use it up sooner. Linux keeps the share in files of the control group.
 */
#include "nnc.h"

#if defined(__linux__)
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 4096 }; /* bytes of a path or of a file's text */

/* The text of root/folder/name, cut off at ROOM; returns whether there is one. */
static int text_of(char *text, const char *root, const char *folder, const char *name) {
    char path[ROOM];
    const int length = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    const int file = length < (int)sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    const ssize_t got = read(file, text, ROOM - 1);
    close(file);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Whether a list as "cpu,cpuacct" has "cpu". */
static int has_cpu(const char *list) {
    for (;; list++) {
        const size_t length = strcspn(list, ",");
        if (length == 3 && memcmp(list, "cpu", 3) == 0) return 1;
        list += length;
        if (*list == '\0') return 0;
    }
}

/* CPUs' worth of time in a period, rounded up, or 0 for no limit ("max", -1). */
static long cpus_of(const char *quota, const char *period) {
    const long time = atol(quota), each = atol(period);
    return time > 0 && each > 0 ? (time + each - 1) / each : 0;
}

/* That of one folder, in the words of version 2 of control groups or of version 1; 0: none. */
static long limit_of(const char *root, const char *folder) {
    char text[ROOM], period[ROOM];
    if (text_of(text, root, folder, "cpu.max")) {
        const char *space = strchr(text, ' ');
        return space ? cpus_of(text, space) : 0;
    }
    if (text_of(text, root, folder, "cpu.cfs_quota_us") && text_of(period, root, folder, "cpu.cfs_period_us"))
        return cpus_of(text, period);
    return 0;
}

/* The least of the folder's and of all above it, down to the first `stem` characters. */
static long least_of(const char *root, char *folder, size_t stem, long least) {
    for (;;) {
        const long limit = limit_of(root, folder);
        if (limit > 0 && (least == 0 || limit < least)) least = limit;
        char *end = strrchr(folder, '/');
        if (end == NULL || (size_t)(end - folder) < stem) return least;
        *end = '\0';
    }
}

long nnc_cpu_quota(const char *root) {
    char groups[ROOM], folder[ROOM + 32];
    long least = 0;
    if (!text_of(groups, root, "/proc/self", "cgroup")) return 0;
    for (char *line = groups, *next; line != NULL; line = next) { /* number:controllers:path, one for each hierarchy */
        next = strchr(line, '\n');
        if (next != NULL) *next++ = '\0';
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL || (next == NULL && strlen(groups) == ROOM - 1)) continue;
        *path++ = '\0';
        const char *mount = controllers[1] == '\0' ? "/sys/fs/cgroup" : has_cpu(controllers + 1) ? "/sys/fs/cgroup/cpu" : NULL;
        if (mount == NULL) continue;
        snprintf(folder, sizeof folder, "%s%s", mount, strcmp(path, "/") == 0 ? "" : path);
        least = least_of(root, folder, strlen(mount), least);
    }
    return least;
}
#else
long nnc_cpu_quota(const char *root) {
    (void)root;
    return 0;
}
#endif
