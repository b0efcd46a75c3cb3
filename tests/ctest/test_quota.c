/* test_quota.c: how many CPUs a control group allows, from files laid out as Linux has them. */
#include "harness.h"
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
static char root[64];

/* Writes root/path and the folders on the way to it. */
static void lay(const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) exit(2);
}

static void begin(void) {
    strcpy(root, "/tmp/nncore-quota-XXXXXX");
    if (mkdtemp(root) == NULL) exit(2);
}

static void expect(const char *what, long cpus) {
    char command[128];
    snprintf(where, sizeof where, "%s", what);
    const long got = nnc_cpu_quota(root);
    CHECK(got == cpus, "%ld CPUs, expected %ld", got, cpus);
    snprintf(command, sizeof command, "rm -rf %s", root);
    if (system(command) != 0) exit(2);
}

int main(void) {
    begin();
    expect("no control groups", 0);

    begin();
    lay("proc/self/cgroup", "0::/\n");
    lay("sys/fs/cgroup/cpu.max", "max 100000\n");
    expect("version 2, no limit", 0);

    begin();
    lay("proc/self/cgroup", "0::/\n");
    lay("sys/fs/cgroup/cpu.max", "200000 100000\n");
    expect("version 2, as a container sees it", 2);

    begin();
    lay("proc/self/cgroup", "0::/\n");
    lay("sys/fs/cgroup/cpu.max", "50000 100000\n");
    expect("half a CPU", 1);

    begin();
    lay("proc/self/cgroup", "0::/\n");
    lay("sys/fs/cgroup/cpu.max", "250000 100000");
    expect("two and a half, no end of line", 3);

    begin();
    lay("proc/self/cgroup", "0::/kube/pod/one\n");
    lay("sys/fs/cgroup/kube/pod/one/cpu.max", "max 100000\n");
    lay("sys/fs/cgroup/kube/pod/cpu.max", "300000 100000\n");
    lay("sys/fs/cgroup/kube/cpu.max", "800000 100000\n");
    expect("the least of those above", 3);

    begin();
    lay("proc/self/cgroup", "0::/not/there\n");
    lay("sys/fs/cgroup/cpu.max", "400000 100000\n");
    expect("a path of the host, which the container has not", 4);

    begin();
    lay("proc/self/cgroup", "12:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n1:name=systemd:/docker/a\n0::/docker/a\n");
    lay("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    lay("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    expect("version 1, as a container sees it", 2);

    begin();
    lay("proc/self/cgroup", "3:cpuset,cpuacct:/docker/a\n4:mycpu,cpu:/docker/b\n");
    lay("sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us", "100000\n");
    lay("sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us", "100000\n");
    lay("sys/fs/cgroup/cpu/docker/b/cpu.cfs_quota_us", "500000\n");
    lay("sys/fs/cgroup/cpu/docker/b/cpu.cfs_period_us", "100000\n");
    expect("version 1, the path of cpu alone", 5);

    begin();
    lay("proc/self/cgroup", "4:cpu,cpuacct:/docker/a\n");
    lay("sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us", "-1\n");
    lay("sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us", "100000\n");
    lay("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    lay("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    expect("version 1, no limit", 0);

    const char *strange[] = {"", "\n", "::", "0::", "0::/\n0::", "no colons\n", ":::::\n", "0::/a/b/\n", "4:cpu\n"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        begin();
        lay("proc/self/cgroup", strange[i]);
        lay("sys/fs/cgroup/other", "");
        expect(strange[i], 0);
    }
    const char *texts[] = {"", "max", "200000", " ", "-5 100000", "100000 0", "x y"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        begin();
        lay("proc/self/cgroup", "0::/\n");
        lay("sys/fs/cgroup/cpu.max", texts[i]);
        expect(texts[i], 0);
    }
    begin();
    char *long_path = malloc(9000);
    memset(long_path, 'a', 9000);
    memcpy(long_path, "0::/", 4);
    long_path[8999] = '\0';
    lay("proc/self/cgroup", long_path);
    lay("sys/fs/cgroup/cpu.max", "100000 100000");
    expect("a path without end", 0);
    free(long_path);

    const int cpus = nnc_cpu_count();
    snprintf(where, sizeof where, "this machine");
    CHECK(cpus >= 1 && (nnc_cpu_quota("") == 0 || cpus <= nnc_cpu_quota("")), "%d CPUs of %ld", cpus, nnc_cpu_quota(""));
    if (failures == 0) printf("all good\n");
    return failures != 0;
}
#else
int main(void) {
    if (nnc_cpu_quota("") == 0) printf("all good\n");
    return 0;
}
#endif
